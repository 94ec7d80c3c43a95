package docker

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// foreignEvent is the event of a container of Compose that Stoker does not manage.
const foreignEvent = `{"status":"die","id":"3f4e1f000000000000000000000000000000000000000000000000000000000000","from":"web:1","Type":"container","Action":"die","Actor":{"ID":"3f4e1f000000000000000000000000000000000000000000000000000000000000","Attributes":{"com.docker.compose.config-hash":"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","com.docker.compose.container-number":"1","com.docker.compose.depends_on":"","com.docker.compose.image":"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef","com.docker.compose.oneoff":"False","com.docker.compose.project":"shop","com.docker.compose.project.config_files":"/srv/shop/compose.yaml","com.docker.compose.project.working_dir":"/srv/shop","com.docker.compose.service":"web","com.docker.compose.version":"2.40.3","exitCode":"0","image":"web:1","name":"shop-web-1","org.opencontainers.image.source":"https://example.org/web"}},"scope":"local","time":1782000000,"timeNano":1782000000000000000}
`

type streamOf func(r *http.Request) io.ReadCloser

func (s streamOf) RoundTrip(r *http.Request) (*http.Response, error) {
	return &http.Response{StatusCode: 200, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Api-Version": {"1.41"}}, Body: s(r), Request: r}, nil
}

func BenchmarkForeignEvents(b *testing.B) {
	text := bytes.Repeat([]byte(foreignEvent), b.N)
	c, err := New(Options{APIVersion: "1.41", Transport: streamOf(func(*http.Request) io.ReadCloser { return io.NopCloser(bytes.NewReader(text)) })})
	require.NoError(b, err)
	b.ReportAllocs()
	b.ResetTimer()
	out, end := c.Events(b.Context(), time.Time{})
	n := 0
	for range out {
		n++
	}
	require.Equal(b, b.N, n, fmt.Sprint(<-end))
}
