package dockertest

import (
	"context"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/client"
)

// OwnNetwork is the network for containers of a test that need none in particular: the engine's default one, which is the empty name, or
// where the engine has none (bridge "none"), or its interface is gone, one of the test's own, which is removed with it. A Podman makes its
// own up for each user.
func OwnNetwork(t testing.TB, c *client.Client, name string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if hasDefaultNetwork(ctx, c) || IsPodman(ctx, c) {
		return ""
	}
	made, err := c.NetworkCreate(ctx, name, network.CreateOptions{Driver: "bridge", Labels: map[string]string{markLabel: name}})
	if err != nil {
		t.Fatalf("the engine has no default network, and no other one can be made: %v", err)
	}
	t.Cleanup(func() { removeNetwork(t, c, made.ID) })
	return name
}

func removeNetwork(t testing.TB, c *client.Client, id string) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := c.NetworkRemove(ctx, id); err != nil {
		t.Errorf("remove the network %s: %v", id, err)
	}
}

// SmallNetwork creates a network of 13 addresses. Another network of this host may overlap with the one that is asked for first.
func (r *realHost) SmallNetwork() {
	r.t.Helper()
	name := r.scope + "-small"
	var made network.CreateResponse
	err := errors.New("not tried")
	for tries := 0; err != nil && tries < 10; tries++ {
		subnet := fmt.Sprintf("10.%d.%d.0/28", mathrand.IntN(256), mathrand.IntN(256)) //nolint:gosec // no secret
		made, err = r.api.NetworkCreate(r.ctx(), name, network.CreateOptions{
			Driver: "bridge", Labels: map[string]string{markLabel: r.scope}, IPAM: &network.IPAM{Config: []network.IPAMConfig{{Subnet: subnet}}},
		})
	}
	r.check(err, "create a network")
	r.network = name
	r.t.Cleanup(func() {
		r.removeAll() // a network with containers cannot be removed
		removeNetwork(r.t, r.api, made.ID)
	})
}

// HasDefaultNetwork reports whether containers get a network without asking for one.
func HasDefaultNetwork(c *client.Client) bool {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return hasDefaultNetwork(ctx, c)
}

func hasDefaultNetwork(ctx context.Context, c *client.Client) bool {
	bridge, err := c.NetworkInspect(ctx, network.NetworkBridge, network.InspectOptions{})
	if err != nil {
		return false
	}
	device := bridge.Options["com.docker.network.bridge.name"]
	// Of another host nothing is known, nor of the network namespace of a user's engine.
	if device == "" || !strings.HasPrefix(c.DaemonHost(), "unix://") || IsRootless(ctx, c) {
		return true
	}
	_, err = os.Stat(filepath.Join("/sys/class/net", filepath.Base(device)))
	return err == nil
}

// IsRootless reports whether an engine is a user's.
func IsRootless(ctx context.Context, c *client.Client) bool {
	info, err := c.Info(ctx)
	return err == nil && slices.Contains(info.SecurityOptions, "name=rootless")
}
