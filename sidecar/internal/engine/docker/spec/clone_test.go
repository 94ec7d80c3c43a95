package spec_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/engine/docker/spec"
)

const anonymousVolume = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

// clonable is the inspect of a container that can be cloned. Tests insert more at the placeholders in braces.
const clonable = `{"Id":"4f2a","Name":"/shop-worker-2","Config":{"Image":"w","Labels":{"com.docker.compose.container-number":"2","stoker.enable":"true"}},
	"HostConfig":{"Binds":["/srv:/srv:rw","` + anonymousVolume + `:/scratch:rw"],"PortBindings":{PORTS}},
	"Mounts":[{"Type":"volume","Name":"` + anonymousVolume + `","Destination":"/scratch","RW":true}MOUNTS],
	"NetworkSettings":{"Networks":{"front":{"Aliases":["shop-worker-2","worker"]ADDRESS}}}}`

func clonableWith(ports, mounts, address string) []byte {
	return []byte(strings.NewReplacer("PORTS", ports, "MOUNTS", mounts, "ADDRESS", address).Replace(clonable))
}

func TestCloneOf(t *testing.T) {
	raw, err := spec.CloneOf(clonableWith(`"80/tcp":[{"HostPort":"0"}]`, `,{"Type":"volume","Name":"data","Destination":"/data","RW":false}`, ""), spec.Clone{
		Name: "shop-worker-3", Number: 3, Of: "stoker.clone-of",
	})
	require.NoError(t, err)
	var got struct {
		Name            string
		Config          struct{ Labels map[string]string }
		HostConfig      struct{ Binds []string }
		Mounts          []struct{ Destination string }
		NetworkSettings struct {
			Networks map[string]struct{ Aliases []string }
		}
	}
	require.NoError(t, json.Unmarshal(raw, &got))
	require.Equal(t, "/shop-worker-3", got.Name)
	require.Equal(t, map[string]string{"com.docker.compose.container-number": "3", "stoker.enable": "true", "stoker.clone-of": "shop-worker-2"}, got.Config.Labels)
	require.Equal(t, []string{"/srv:/srv:rw"}, got.HostConfig.Binds, "an anonymous volume is not shared")
	require.Len(t, got.Mounts, 1)
	require.Equal(t, "/data", got.Mounts[0].Destination)
	require.Equal(t, []string{"shop-worker-3", "worker"}, got.NetworkSettings.Networks["front"].Aliases)
}

func TestOnlyOneOfIt(t *testing.T) {
	for why, raw := range map[string][]byte{
		"port 8080 of the host":                clonableWith(`"80/tcp":[{"HostPort":"8080"}]`, "", ""),
		"it writes to the volume data":         clonableWith("", `,{"Type":"volume","Name":"data","Destination":"/data","RW":true}`, ""),
		"a fixed address in the network front": clonableWith("", "", `,"IPAMConfig":{"IPv4Address":"10.1.2.3"}`),
		"read the inspect":                     []byte(`{}`),
	} {
		_, err := spec.CloneOf(raw, spec.Clone{Name: "shop-worker-3", Number: 3, Of: "stoker.clone-of"})
		require.ErrorContains(t, err, why)
	}
}
