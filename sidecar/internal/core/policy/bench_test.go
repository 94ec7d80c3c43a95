package policy

import "testing"

var otherLabels = map[string]string{
	"com.docker.compose.config-hash": "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", "com.docker.compose.container-number": "1",
	"com.docker.compose.depends_on": "", "com.docker.compose.image": "sha256:0123", "com.docker.compose.oneoff": "False",
	"com.docker.compose.project": "shop", "com.docker.compose.project.config_files": "/srv/shop/compose.yaml",
	"com.docker.compose.project.working_dir": "/srv/shop", "com.docker.compose.service": "web", "com.docker.compose.version": "2.40.3",
	"org.opencontainers.image.source": "https://example.org/web", "maintainer": "someone",
}

func BenchmarkReadOfAStranger(b *testing.B) {
	rules := Rules{Defaults: Defaults{Policy: Default()}}
	for b.Loop() {
		rules.Read(Candidate{Labels: otherLabels})
	}
}

func BenchmarkMayManageAStranger(b *testing.B) {
	rules := Rules{Defaults: Defaults{Policy: Default()}}
	for b.Loop() {
		rules.MayManage(otherLabels)
	}
}
