package composefile

import (
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

func read(t *testing.T, from Source) (Stack, map[string]Service) {
	t.Helper()
	for n, file := range from.Files {
		from.Files[n] = filepath.Join("testdata", file)
	}
	stack, err := Read(t.Context(), from)
	require.NoError(t, err)
	services := map[string]Service{}
	for _, s := range stack.Services {
		services[s.Name] = s
	}
	return stack, services
}

func TestOverlays(t *testing.T) {
	stack, services := read(t, Source{Files: []string{"overlay/base.yaml", "overlay/prod.yaml", "overlay/stoker.yaml"}})
	require.Empty(t, stack.Warnings)
	require.Equal(t, []string{"burner", "feeder", "setup", "stoker", "tools"}, []string{stack.Services[0].Name, stack.Services[1].Name,
		stack.Services[2].Name, stack.Services[3].Name, stack.Services[4].Name})

	burner := services["burner"]
	require.Equal(t, map[string]string{"stoker.enable": "true", "stoker.on-exit": "never"}, burner.Labels, "extends, then the overlay")
	require.InDelta(t, 1.5, burner.Limits.CPUs, 0)
	require.Equal(t, 3, burner.Replicas)
	require.Equal(t, worker.RestartPolicy{Name: "on-failure", MaxRetries: 5}, burner.Restart.Policy)
	require.Empty(t, burner.Settings, "nothing of a worker's environment is kept")

	require.True(t, services["setup"].Awaited, "by the included feeder")
	require.False(t, services["feeder"].Awaited)
	require.Equal(t, []string{"debug", "night"}, services["tools"].Inactive)
	require.Equal(t, map[string]string{"STOKER_SCOPE": "", "STOKER_ON_EXIT": "failure", "STOKER_NOTIFY_FILE": "/run/secrets/notify"},
		services["stoker"].Settings)
}

func TestProfiles(t *testing.T) {
	for name, from := range map[string]Source{
		"by flag":        {Profiles: []string{"night"}},
		"by environment": {Environ: []string{"COMPOSE_PROFILES=other, debug"}},
		"by both":        {Profiles: []string{"other"}, Environ: []string{"COMPOSE_PROFILES=debug"}},
	} {
		t.Run(name, func(t *testing.T) {
			from.Files = []string{"overlay/base.yaml"}
			_, services := read(t, from)
			require.Empty(t, services["tools"].Inactive)
			require.Equal(t, 1, services["tools"].Replicas)
		})
	}
}

func TestInterpolation(t *testing.T) {
	stack, services := read(t, Source{Files: []string{"env/compose.yaml"}, Environ: []string{"BURNER_CPUS=1.25"}})
	burner := services["burner"]
	require.InDelta(t, 1.25, burner.Limits.CPUs, 0, "the environment goes before .env")
	require.Equal(t, "your/worker:7", burner.Image)
	require.Equal(t, map[string]string{"stoker.enable": "true", "stoker.scope": ""}, burner.Labels)
	require.Equal(t, []string{`The "UNSET_HERE" variable is not set. Defaulting to a blank string.`}, stack.Warnings)
	require.Same(t, os.Stderr, logrus.StandardLogger().Out, "as before")
}

func TestQuotaRestartAndHealth(t *testing.T) {
	restart := func(name string, most int) Restart {
		return Restart{Policy: worker.RestartPolicy{Name: name, MaxRetries: most}}
	}
	_, services := read(t, Source{Files: []string{"quota/compose.yaml"}})
	for name, want := range map[string]Service{
		"cpus":      {Limits: Limits{CPUs: 0.1}, Health: HealthUnspecified, Replicas: 1},
		"deploy":    {Deploy: Deploy{Condition: "on-failure"}, Limits: Limits{CPUs: 0.35}, Health: HealthUnspecified, Replicas: 4, Restart: restart("on-failure", 3)},
		"quota":     {Limits: Limits{CPUs: 0.5, Pair: 50_000}, Health: HealthUnspecified, Replicas: 1, Restart: restart("unless-stopped", 0)},
		"period":    {Deploy: Deploy{Condition: "any"}, Limits: Limits{CPUs: 2, Pair: 50_000}, Health: HealthUnspecified, Replicas: 1, Restart: restart("always", 0)},
		"clash":     {Limits: Limits{CPUs: 1, Clash: true}, Health: HealthUnspecified, Replicas: 0},
		"none":      {Health: HealthUnspecified, Replicas: 1},
		"off":       {Deploy: Deploy{Condition: "none"}, Health: HealthOff, Replicas: 1, Restart: restart("no", 0)},
		"none-test": {Health: HealthOff, Replicas: 1},
		"on":        {Health: HealthOn, Replicas: 1, Labels: map[string]string{"stoker.enable": "true", "stoker.on-exit": "always"}},
	} {
		got := services[name]
		want.Name, want.Image = name, got.Image
		if want.Labels == nil {
			want.Labels = map[string]string{}
		}
		require.Equal(t, want, got, name)
	}
}

// A worker may use an engine, too: its environment is not kept.
func TestWhoseEnvironmentIsKept(t *testing.T) {
	file := filepath.Join(t.TempDir(), "compose.yaml")
	require.NoError(t, os.WriteFile(file, []byte(`services:
  a: {image: ci, environment: {DOCKER_HOST: tcp://x, DOCKER_TOKEN: t}}
  b: {image: registry/stoker:dev, environment: {DOCKER_HOST: tcp://x, DOCKER_TOKEN: t, OTHER: o}}
  c: {image: mine, environment: {DOCKER_HOST: tcp://x, STOKER_SCOPE: s}}
`), 0o600))
	stack, err := Read(t.Context(), Source{Files: []string{file}})
	require.NoError(t, err)
	require.False(t, stack.Services[0].IsStoker())
	require.Empty(t, stack.Services[0].Settings)
	require.True(t, stack.Services[1].IsStoker())
	require.Equal(t, map[string]string{"DOCKER_HOST": "tcp://x"}, stack.Services[1].Settings)
	require.Equal(t, map[string]string{"DOCKER_HOST": "tcp://x", "STOKER_SCOPE": "s"}, stack.Services[2].Settings)
}

// TestBadFiles checks the error for each file: one line with the mistake and its place.
func TestBadFiles(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "binary.yaml")
	require.NoError(t, os.WriteFile(binary, []byte("\x80\x00\xff\x1b[2J"), 0o600))
	for name, want := range map[string]struct {
		files []string
		texts []string
	}{
		"no file":         {[]string{"bad/nope.yaml"}, []string{"bad/nope.yaml: no such file"}},
		"a folder":        {[]string{"bad"}, []string{"testdata/bad", "is a directory"}},
		"bad YAML":        {[]string{"bad/yaml.yaml"}, []string{"bad/yaml.yaml", "line 3"}},
		"in the overlay":  {[]string{"bad/good.yaml", "bad/yaml.yaml", "bad/key.yaml"}, []string{"bad/yaml.yaml", "line 3"}},
		"under it":        {[]string{"bad/yaml.yaml", "bad/good.yaml"}, []string{"bad/yaml.yaml", "line 3"}},
		"only text":       {[]string{"bad/text.yaml"}, []string{"bad/text.yaml", "line 1"}},
		"empty":           {[]string{"bad/empty.yaml"}, []string{"bad/empty.yaml", "empty"}},
		"unknown key":     {[]string{"bad/key.yaml"}, []string{"bad/key.yaml", "services.a.imge is not an attribute"}},
		"bad labels":      {[]string{"bad/labels.yaml"}, []string{"bad/labels.yaml", "services.a.labels"}},
		"unset variable":  {[]string{"bad/unset.yaml"}, []string{"bad/unset.yaml", "services.a.image", "TAG", "set a tag"}},
		"undefined":       {[]string{"bad/undefined.yaml"}, []string{"bad/undefined.yaml", `"a"`, `"b"`}},
		"neither of both": {[]string{"bad/good.yaml", "bad/undefined.yaml"}, []string{"bad/undefined.yaml", `"b"`}},
		"no image":        {[]string{"bad/no-image.yaml"}, []string{"bad/no-image.yaml", "image"}},
		"include gone":    {[]string{"bad/include.yaml"}, []string{"bad/gone.yaml: no such file"}},
		"extends nothing": {[]string{"bad/extends.yaml"}, []string{"bad/extends.yaml", `"b"`}},
		"binary":          {[]string{binary}, []string{"binary.yaml", "UTF-8"}},
	} {
		t.Run(name, func(t *testing.T) {
			for n, file := range want.files {
				if !filepath.IsAbs(file) {
					want.files[n] = filepath.Join("testdata", file)
				}
			}
			_, err := Read(t.Context(), Source{Files: want.files})
			require.Error(t, err)
			for _, text := range want.texts {
				require.Contains(t, err.Error(), text)
			}
			require.NotContains(t, err.Error(), "\n")
		})
	}
}

func TestStandardInput(t *testing.T) {
	feed := func(text string) {
		in, out, err := os.Pipe()
		require.NoError(t, err)
		old := os.Stdin
		os.Stdin = in
		t.Cleanup(func() { os.Stdin = old })
		go func() {
			_, _ = io.Copy(out, strings.NewReader(text))
			_ = out.Close()
		}()
	}
	feed("services: {a: {image: w, labels: [stoker.enable=true]}}")
	stack, err := Read(t.Context(), Source{Files: []string{"-"}})
	require.NoError(t, err)
	require.Equal(t, "true", stack.Services[0].Labels["stoker.enable"])

	t.Chdir("/")
	feed("services: {a: {image: w}}")
	stack, err = Read(t.Context(), Source{Files: []string{"-"}})
	require.NoError(t, err, "if no folder gives the project a name")
	require.Equal(t, "a", stack.Services[0].Name)

	feed("services: [")
	_, err = Read(t.Context(), Source{Files: []string{"-"}})
	require.ErrorContains(t, err, "standard input: ")
}

// FuzzRead: for any content of the file, the result is a stack or an error of one line.
func FuzzRead(f *testing.F) {
	for _, pattern := range []string{"testdata/*/*.yaml"} {
		files, err := filepath.Glob(pattern)
		require.NoError(f, err)
		require.NotEmpty(f, files)
		for _, file := range files {
			text, err := os.ReadFile(file)
			require.NoError(f, err)
			f.Add(text)
		}
	}
	file := filepath.Join(f.TempDir(), "compose.yaml")
	f.Fuzz(func(t *testing.T, text []byte) {
		require.NoError(t, os.WriteFile(file, text, 0o600))
		if _, err := Read(t.Context(), Source{Files: []string{file}}); err != nil {
			require.NotContains(t, err.Error(), "\n")
		}
	})
}
