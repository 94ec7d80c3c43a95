package dockertest

import (
	"context"
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
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		if err := c.NetworkRemove(ctx, made.ID); err != nil {
			t.Errorf("remove the network %s: %v", name, err)
		}
	})
	return name
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
