package spec

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/docker/docker/api/types/network"
	"github.com/stretchr/testify/require"
)

func TestNeeded(t *testing.T) {
	raw := []byte(`{"Id":"a","Image":"sha256:1","Config":{},
		"HostConfig":{"NetworkMode":"container:p1","PidMode":"container:p1","IpcMode":"host","VolumesFrom":["src:ro"],"Links":["/db:/a/db"]},
		"Mounts":[{"Type":"volume","Name":"v2","Destination":"/b"},{"Type":"bind","Source":"/x","Destination":"/x"},{"Type":"volume","Name":"v1","Destination":"/a"}],
		"NetworkSettings":{"Networks":{"app":{},"bridge":{}}}}`)
	got, err := Needed(raw)
	require.NoError(t, err)
	require.Equal(t, Needs{Image: "sha256:1", Volumes: []string{"v1", "v2"}, Networks: []string{"app"}, Containers: []string{"db", "p1", "src"}}, got)
}

// 28.5.2 shows no name for the volume of a bind without a source.
func TestNeededByPlace(t *testing.T) {
	name := strings.Repeat("5e", 32)
	place := "/var/lib/docker/volumes/" + name + "/_data"
	got, err := Needed([]byte(`{"Id":"a","Config":{},"HostConfig":{"Binds":["/a"]},"Mounts":[{"Type":"volume","Source":"` + place + `","Destination":"/a"},
		{"Type":"volume","Source":"/var/lib/docker/volumes/_data","Destination":"/b"}]}`))
	require.NoError(t, err)
	require.Equal(t, Needs{Volumes: []string{name}, Places: map[string]string{name: place}}, got)
	for _, source := range []string{"", "/_data", "/v/short/_data", "/v/" + name, "/v/" + name + "/data", "/v/" + strings.ToUpper(name) + "/_data"} {
		require.Empty(t, nameByPlace(source), source)
	}
}

func TestNameBook(t *testing.T) {
	one, two := strings.Repeat("1", 64), strings.Repeat("1", 20)+strings.Repeat("2", 44)
	book := namesByID{one: "/first", two: "second"}
	for ref, want := range map[string]string{
		one: "first", two: "second", one[:30]: "first", "/web": "web", "web": "web",
		"deadbeefcafe":          "deadbeefcafe", // a short ID of no container may be a name
		one[:12]:                "",             // two IDs have this prefix
		strings.Repeat("3", 64): "",
		"":                      "",
	} {
		name, known := book.name(ref)
		require.Equal(t, want != "", known, ref)
		if known {
			require.Equal(t, want, name, ref)
		}
	}
}

func TestFamiliar(t *testing.T) {
	digest := "@sha256:" + strings.Repeat("3", 64)
	for ref, want := range map[string]string{
		"redis": "redis:latest", "docker.io/library/redis": "redis:latest", "index.docker.io/library/redis:7": "redis:7",
		"localhost/mine": "mine:latest", "host:5000/a/b": "host:5000/a/b:latest", "host:5000/a/b:1": "host:5000/a/b:1",
		"redis:7" + digest: "redis" + digest, "host:5000/a" + digest: "host:5000/a" + digest,
	} {
		require.Equal(t, want, familiar(ref), ref)
	}
}

func TestBuildRefusesWhatIsNoInspect(t *testing.T) {
	image := json.RawMessage(`{"Id":"sha256:1","RepoTags":["x:latest"]}`)
	for name, in := range map[string]Input{
		"nothing":           {},
		"no JSON":           {Container: json.RawMessage(`{"Id":`)},
		"no ID":             {Container: json.RawMessage(`{"Config":{},"HostConfig":{}}`)},
		"no configuration":  {Container: json.RawMessage(`{"Id":"a","HostConfig":{}}`)},
		"an image of text":  {Container: json.RawMessage(`{"Id":"a","Image":"sha256:1","Config":{},"HostConfig":{}}`), Image: json.RawMessage(`"x"`)},
		"a mark of another": {Container: json.RawMessage(`{"Id":"a","Image":"sha256:1","Config":{"Image":"x"},"HostConfig":{}}`), Image: image, Marks: map[string]string{"a": "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := Build(in)
			require.Error(t, err)
			refusal := Refusal{}
			require.NotErrorAs(t, err, &refusal)
		})
	}
	_, err := Diff([]byte(`{}`), []byte(`{"Id":"a","Config":{},"HostConfig":{}}`), nil)
	require.ErrorContains(t, err, "the old container")
}

// FuzzBuild and FuzzDiff feed bytes that are no inspect, or one that no engine would send: an error is correct, a panic is not, and an
// inspect never differs from itself.
func FuzzBuild(f *testing.F) {
	for _, raw := range seeds(f) {
		f.Add(raw, "1.41", false)
		f.Add(raw, "1.51", true)
	}
	f.Fuzz(func(t *testing.T, raw []byte, version string, podman bool) {
		in := Input{}
		if json.Unmarshal(raw, &in) != nil {
			in.Container = raw
		}
		in.Engine.APIVersion, in.Engine.Podman = version, podman
		if s, err := Build(in); err == nil {
			requireStable(t, in, s)
		}
		_, _ = Needed(in.Container)
	})
}

// requireStable builds from the container that the engine would create from a Spec: the result is the same request again, so that a worker
// that is recreated many times does not drift.
func requireStable(t *testing.T, in Input, s Spec) {
	t.Helper()
	once, err := json.Marshal(s)
	require.NoError(t, err)
	in.Container = asMade(t, in.Container, s)
	again, err := Build(in)
	require.NoError(t, err, "the result can be built from")
	twice, err := json.Marshal(again)
	require.NoError(t, err)
	for _, part := range []string{"Name", "FinalName", "Config", "HostConfig", "NetworkingConfig", "Connect"} {
		require.JSONEq(t, partOf(t, once, part), partOf(t, twice, part), part)
	}
}

// partOf returns one field of a Spec, null if it is omitted.
func partOf(t *testing.T, raw []byte, name string) string {
	t.Helper()
	fields := map[string]json.RawMessage{"null": json.RawMessage("null")}
	require.NoError(t, json.Unmarshal(raw, &fields))
	if _, ok := fields[name]; !ok {
		name = "null"
	}
	return string(fields[name])
}

// asMade returns the inspect of the container that an engine creates from a Spec, derived from the old one's.
func asMade(t *testing.T, old []byte, s Spec) []byte {
	t.Helper()
	c, err := decode(old)
	require.NoError(t, err)
	c.Name, c.Config, c.HostConfig = "/"+s.FinalName, s.Config, s.HostConfig
	if c.NetworkSettings != nil {
		for name := range c.NetworkSettings.Networks { // the mode's network may be omitted in a Spec
			c.NetworkSettings.Networks[name] = &network.EndpointSettings{}
		}
		if s.NetworkingConfig != nil {
			maps.Copy(c.NetworkSettings.Networks, s.NetworkingConfig.EndpointsConfig)
		}
		for _, e := range s.Connect {
			c.NetworkSettings.Networks[e.Network] = e.Settings
		}
		if first := c.NetworkSettings.Networks[primaryNetwork(s.HostConfig.NetworkMode)]; first != nil && first.MacAddress != "" {
			c.Config.MacAddress = first.MacAddress //nolint:staticcheck // an engine shows it in both places
		}
	}
	raw, err := json.Marshal(c)
	require.NoError(t, err)
	return raw
}

func FuzzDiff(f *testing.F) {
	all := seeds(f)
	for i, raw := range all {
		f.Add(raw, all[(i+1)%len(all)])
	}
	f.Fuzz(func(t *testing.T, old, recreated []byte) {
		a, b := containerIn(old), containerIn(recreated)
		_, _ = Diff(a, b, map[string]string{"a": "b"})
		if found, err := Diff(a, a, nil); err == nil {
			require.Empty(t, found)
		}
	})
}

func containerIn(raw []byte) []byte {
	in := Input{}
	if json.Unmarshal(raw, &in) == nil && len(in.Container) > 0 {
		return in.Container
	}
	return raw
}

func seeds(f *testing.F) [][]byte {
	f.Helper()
	files, err := filepath.Glob("testdata/build/*.in.json")
	require.NoError(f, err)
	list := [][]byte{
		[]byte(`{"Id":"a","Config":{"Env":[null]},"HostConfig":{"Ulimits":[null],"Mounts":[null],"Binds":["",":"],"Links":[":","x"],"VolumesFrom":[""]},"Mounts":[{"Type":"volume","Name":"v"}],"NetworkSettings":{"Networks":{"":null}}}`),
		[]byte(`{"Id":"a","config":{},"HostConfig":{},"Config":{"Labels":7}}`),
	}
	for _, file := range append(files, richFile) {
		raw, err := os.ReadFile(file)
		require.NoError(f, err)
		list = append(list, raw)
	}
	return list
}
