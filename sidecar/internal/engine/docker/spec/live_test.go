package spec

import (
	"os"
	"testing"
	"time"

	cerrdefs "github.com/containerd/errdefs"
	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/mount"
	"github.com/docker/docker/api/types/network"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/go-connections/nat"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/test/dockertest"
)

func ptr[T any](v T) *T { return &v }

// recreate replaces a running container as a transaction does: create and compare while the old one runs, then stop,
// rename, start, and compare again.
func (w *world) recreate(name string) (oldID, newID string) {
	w.t.Helper()
	in := w.input(name, name+"-new")
	s, err := Build(in)
	require.NoError(w.t, err)
	require.Equal(w.t, name, s.FinalName)
	newID = w.make(s)
	names := w.names()
	w.requireSame(in.Container, newID, names)

	ctx, old := w.t.Context(), w.inspect(name)
	require.NoError(w.t, w.api.ContainerStop(ctx, old.ID, container.StopOptions{}))
	if old.HostConfig.AutoRemove {
		w.waitGone(old.ID)
	} else {
		require.NoError(w.t, w.api.ContainerRename(ctx, old.ID, name+"-old"))
	}
	require.NoError(w.t, w.api.ContainerRename(ctx, newID, name))
	require.NoError(w.t, w.api.ContainerStart(ctx, newID, container.StartOptions{}))
	w.requireSame(in.Container, newID, names)
	w.requireStable(name, s)
	return old.ID, newID
}

func (w *world) requireSame(old []byte, id string, names map[string]string) {
	w.t.Helper()
	found, err := Diff(old, w.raw(id), names)
	require.NoError(w.t, err)
	require.Empty(w.t, found)
}

// requireStable: the request built from the new container equals the one that created it.
func (w *world) requireStable(name string, first Spec) {
	w.t.Helper()
	again, err := Build(w.input(name, first.Name))
	require.NoError(w.t, err)
	require.Equal(w.t, first.Config, again.Config)
	require.Equal(w.t, first.HostConfig, again.HostConfig)
	require.Equal(w.t, first.NetworkingConfig, again.NetworkingConfig)
	require.Equal(w.t, first.Connect, again.Connect)
}

func (w *world) waitGone(id string) {
	w.t.Helper()
	require.Eventually(w.t, func() bool {
		_, err := w.api.ContainerInspect(w.t.Context(), id)
		return err != nil
	}, time.Minute, 20*time.Millisecond)
}

func composeLabels() map[string]string {
	return map[string]string{
		"com.docker.compose.project": "h7", "com.docker.compose.service": "rich", "com.docker.compose.container-number": "1",
		"com.docker.compose.oneoff": "False", "com.docker.compose.version": "1.29.2",
		"com.docker.compose.config-hash": "0f6cf1a3e5f0a8b7b1d7c44a5de5a3d21e2dd03b3a1c8fd3b0f6b6b5b4d9c111",
	}
}

func richConfig() *container.Config {
	return &container.Config{
		Hostname: "furnace", Domainname: "example.test", User: "0:0", WorkingDir: "/work", Env: []string{"A=1", "B=x y"},
		Labels: composeLabels(), Volumes: map[string]struct{}{"/anon": {}, "/slash/": {}},
		ExposedPorts: nat.PortSet{"9000/tcp": {}, "9001/udp": {}},
		StopSignal:   "SIGUSR1", StopTimeout: ptr(3), MacAddress: "02:42:0a:4d:01:99", //nolint:staticcheck // for API below 1.44
		Healthcheck: &container.HealthConfig{Test: []string{"CMD", "/hold", "health"}, Interval: time.Minute, Retries: 4, StartPeriod: 2 * time.Second},
		Tty:         true, OpenStdin: true,
	}
}

func richHost() *container.HostConfig {
	return &container.HostConfig{
		NetworkMode:  "sp-a",
		Binds:        []string{"sp-named:/named:ro", "/bare", "/etc/hostname:/host:ro,rprivate"},
		Mounts:       []mount.Mount{{Type: mount.TypeVolume, Target: "/nameless"}, {Type: mount.TypeTmpfs, Target: "/scratch", TmpfsOptions: &mount.TmpfsOptions{SizeBytes: 1 << 20, Mode: 0o700}}},
		Tmpfs:        map[string]string{"/tmp": "rw,size=1m"},
		PortBindings: nat.PortMap{"9000/tcp": {{HostIP: "127.0.0.1", HostPort: "47701"}}, "9001/udp": {{HostPort: ""}}},
		Sysctls:      map[string]string{"net.core.somaxconn": "512"}, Init: ptr(true), ShmSize: 1 << 22, OomScoreAdj: 100,
		ExtraHosts: []string{"elsewhere:10.1.2.3"}, DNS: []string{"10.77.1.1"}, DNSSearch: []string{"example.test"}, GroupAdd: []string{"12"},
		CapAdd: []string{"NET_ADMIN"}, CapDrop: []string{"MKNOD"}, SecurityOpt: []string{"no-new-privileges"},
		RestartPolicy: container.RestartPolicy{Name: container.RestartPolicyOnFailure, MaximumRetryCount: 2},
		LogConfig:     container.LogConfig{Type: "json-file", Config: map[string]string{"max-size": "1m"}},
		IpcMode:       container.IPCModeShareable, MaskedPaths: []string{}, ReadonlyPaths: []string{"/proc/bus"},
		Resources: container.Resources{
			NanoCPUs: 300_000_000, CPUShares: 512, Memory: 64 << 20, PidsLimit: ptr(int64(50)),
			Ulimits: []*container.Ulimit{{Name: "nofile", Soft: 100, Hard: 200}, {Name: "core", Soft: 0, Hard: 0}},
			Devices: []container.DeviceMapping{{PathOnHost: "/dev/null", PathInContainer: "/dev/nil", CgroupPermissions: "rw"}},
		},
	}
}

func at(address string, aliases ...string) *network.EndpointSettings {
	return &network.EndpointSettings{IPAMConfig: &network.EndpointIPAMConfig{IPv4Address: address}, Aliases: aliases}
}

func TestLiveRichContainer(t *testing.T) {
	w := newWorld(t)
	w.network("sp-a", "10.77.1.0/24")
	w.network("sp-b", "10.77.2.0/24")
	w.volume("sp-named")
	w.run("sp-peer", container.CreateRequest{HostConfig: &container.HostConfig{NetworkMode: "sp-a"}})
	first := at("10.77.1.10", "rich", "furnace-1")
	first.Links = []string{"sp-peer:peer"}
	second := at("10.77.2.10", "rich-b")
	ends := map[string]*network.EndpointSettings{"sp-a": first}
	manyAtOnce := versions.GreaterThanOrEqualTo(w.api.ClientVersion(), "1.44")
	if manyAtOnce { // then each network has its own MAC address; the client drops the container's
		first.MacAddress, second.MacAddress = "02:42:0a:4d:01:99", "02:42:0a:4d:02:98"
		ends["sp-b"] = second
	}
	config, host := richConfig(), richHost()
	if dockertest.IsRootless(t.Context(), w.api) { // there runc mounts the host's device of the inner name, and sets no domain name
		host.Devices[0].PathInContainer, config.Domainname = host.Devices[0].PathOnHost, ""
	}
	id := w.create("sp-rich", container.CreateRequest{Config: config, HostConfig: host, NetworkingConfig: &network.NetworkingConfig{EndpointsConfig: ends}})
	if !manyAtOnce {
		require.NoError(t, w.api.NetworkConnect(t.Context(), "sp-b", id, second))
	}
	folders := []string{"/anon", "/slash", "/bare", "/nameless"}
	for _, folder := range folders {
		w.write(id, folder+"/data", "kept in "+folder)
	}
	require.NoError(t, w.api.ContainerStart(t.Context(), id, container.StartOptions{}))
	w.exec(id, "/hold", "empty", "/img")
	_, err := w.api.ContainerUpdate(t.Context(), id, container.UpdateConfig{Resources: dockertest.Quota(w.podman, 0.45)})
	require.NoError(t, err)

	if *update {
		require.NoError(t, os.WriteFile(richFile, w.raw(id), 0o644))
	}

	_, newID := w.recreate("sp-rich")

	for _, folder := range folders {
		require.Equal(t, "kept in "+folder, w.read(newID, folder+"/data"))
	}
	_, err = w.api.ContainerStatPath(t.Context(), newID, "/img/seed")
	require.True(t, cerrdefs.IsNotFound(err), "the image's files are back in a volume that the worker had emptied")
	now := w.inspect(newID)
	require.EqualValues(t, 450_000_000, now.HostConfig.NanoCPUs)
	require.Equal(t, "10.77.1.10", now.NetworkSettings.Networks["sp-a"].IPAddress)
	require.Equal(t, "10.77.2.10", now.NetworkSettings.Networks["sp-b"].IPAddress)
	require.Equal(t, "02:42:0a:4d:01:99", now.NetworkSettings.Networks["sp-a"].MacAddress)
	if second.MacAddress != "" && versions.LessThan(w.api.ClientVersion(), "1.48") { // later it looks like a drawn one
		require.Equal(t, second.MacAddress, now.NetworkSettings.Networks["sp-b"].MacAddress)
	}
	require.Equal(t, "47701", now.NetworkSettings.Ports["9000/tcp"][0].HostPort)
	require.Equal(t, composeLabels()["com.docker.compose.config-hash"], now.Config.Labels["com.docker.compose.config-hash"])
	w.recreate2("sp-rich")
}

// recreate2 replaces the container once more: a recreated container can be recreated.
func (w *world) recreate2(name string) {
	w.t.Helper()
	old := w.inspect(name + "-old")
	require.NoError(w.t, w.api.ContainerRemove(w.t.Context(), old.ID, container.RemoveOptions{RemoveVolumes: false}))
	w.recreate(name)
}

// On the default bridge: links, another container's volumes, a MAC address, a quota in the old form, and --rm, which removes the old
// container's anonymous volumes unless the new one has them already (R18).
func TestLiveBridgeContainer(t *testing.T) {
	w := newWorld(t)
	w.needsDefaultNetwork()
	w.run("sp-child", container.CreateRequest{})
	source := w.run("sp-source", container.CreateRequest{Config: &container.Config{Volumes: map[string]struct{}{"/shared": {}}}})
	w.write(source, "/shared/data", "theirs")
	id := w.run("sp-plain", container.CreateRequest{
		Config: &container.Config{Volumes: map[string]struct{}{"/own": {}}, MacAddress: "02:42:ac:11:77:77", Entrypoint: []string{"/hold"}, Cmd: []string{"wait"}}, //nolint:staticcheck // for API below 1.44
		HostConfig: &container.HostConfig{
			AutoRemove: true, Links: []string{"sp-child:kid", "sp-child:other"}, VolumesFrom: []string{source[:12] + ":ro"}, PublishAllPorts: true,
			Resources: container.Resources{CPUPeriod: 50_000, CPUQuota: 20_000},
		},
	})
	w.write(id, "/own/data", "mine")
	_, err := w.api.ContainerUpdate(t.Context(), id, container.UpdateConfig{Resources: container.Resources{CPUQuota: 30_000}})
	require.NoError(t, err)

	_, newID := w.recreate("sp-plain")

	require.Equal(t, "mine", w.read(newID, "/own/data"))
	require.Equal(t, "theirs", w.read(newID, "/shared/data"))
	now := w.inspect(newID)
	require.EqualValues(t, 30_000, now.HostConfig.CPUQuota)
	require.ElementsMatch(t, []string{"/sp-child:/sp-plain/kid", "/sp-child:/sp-plain/other"}, now.HostConfig.Links)
	require.Equal(t, newID[:12], now.Config.Hostname)
}

// The parent is recreated, then its dependents, onto the new ID (R1, R2, R3).
func TestLiveDependents(t *testing.T) {
	w := newWorld(t)
	id := w.network("sp-a", "10.77.1.0/24")
	w.run("sp-parent", container.CreateRequest{HostConfig: &container.HostConfig{NetworkMode: container.NetworkMode(id), IpcMode: container.IPCModeShareable}})
	w.run("sp-dependent", container.CreateRequest{HostConfig: &container.HostConfig{
		NetworkMode: "container:sp-parent", PidMode: "container:sp-parent", IpcMode: "container:sp-parent", VolumesFrom: []string{"sp-parent"}}})

	_, newParent := w.recreate("sp-parent")
	_, dependent := w.recreate("sp-dependent") // the world keeps the old parent's name, as a caller must

	now := w.inspect(dependent)
	for _, mode := range []string{string(now.HostConfig.NetworkMode), string(now.HostConfig.PidMode), string(now.HostConfig.IpcMode)} {
		require.Equal(t, "container:"+newParent, mode)
	}
	require.Equal(t, "sp-a", string(w.inspect(newParent).HostConfig.NetworkMode))
}

// Modes in which create accepts no host name and no networks; no networks but another than the mode's (R4, R7, R8).
func TestLiveModes(t *testing.T) {
	w := newWorld(t)
	w.needsDefaultNetwork()
	w.network("sp-a", "10.77.1.0/24")
	w.network("sp-b", "10.77.2.0/24")
	for name, host := range map[string]*container.HostConfig{
		"sp-host": {NetworkMode: "host", UTSMode: "host"},
		"sp-none": {NetworkMode: "none", ReadonlyRootfs: true},
	} {
		w.run(name, container.CreateRequest{HostConfig: host})
		w.recreate(name)
	}
	w.create("sp-privileged", container.CreateRequest{HostConfig: &container.HostConfig{Privileged: true, PidMode: "host", IpcMode: "host"}})
	in := w.input("sp-privileged", "sp-privileged-new")
	s, err := Build(in)
	require.NoError(t, err)
	w.requireSame(in.Container, w.make(s), in.Names) // not started: not every engine may
	id := w.run("sp-moved", container.CreateRequest{HostConfig: &container.HostConfig{NetworkMode: "sp-a"}})
	require.NoError(t, w.api.NetworkConnect(t.Context(), "sp-b", id, at("10.77.2.20", "x")))
	require.NoError(t, w.api.NetworkConnect(t.Context(), "bridge", id, nil))
	require.NoError(t, w.api.NetworkDisconnect(t.Context(), "sp-a", id, false))
	w.recreate("sp-moved")
}

// Diff reports all fields that an incomplete create request would lose.
func TestLiveDiffTells(t *testing.T) {
	w := newWorld(t)
	w.network("sp-a", "10.77.1.0/24")
	w.run("sp-forgotten", container.CreateRequest{
		Config:     &container.Config{Env: []string{"SECRET=one"}, StopTimeout: ptr(0)},
		HostConfig: &container.HostConfig{NetworkMode: "sp-a", Init: ptr(false), Resources: container.Resources{NanoCPUs: 500_000_000, PidsLimit: ptr(int64(9))}},
		NetworkingConfig: &network.NetworkingConfig{EndpointsConfig: map[string]*network.EndpointSettings{
			"sp-a": at("10.77.1.30", "one", "two")}},
	})
	in := w.input("sp-forgotten", "sp-forgotten-new")
	s, err := Build(in)
	require.NoError(t, err)
	s.Config.Env, s.Config.StopTimeout = []string{"SECRET=two", "FROM_IMAGE=1"}, nil
	s.HostConfig.NanoCPUs, s.HostConfig.Init, s.HostConfig.PidsLimit = 0, nil, nil
	s.HostConfig.Mounts = nil
	s.NetworkingConfig.EndpointsConfig["sp-a"] = &network.EndpointSettings{Aliases: []string{"one"}}
	made := w.make(s)

	found, err := Diff(in.Container, w.raw(made), w.names())

	require.NoError(t, err)
	fields := make([]string, 0, len(found))
	for _, d := range found {
		fields = append(fields, d.Field)
		require.NotContains(t, d.String(), "SECRET")
	}
	require.Equal(t, []string{
		"Config.Env[0]", "Config.StopTimeout", "HostConfig.Init", "HostConfig.Mounts[/img].Source", "HostConfig.NanoCpus", "HostConfig.PidsLimit",
		"Mounts[/img].Name", "Mounts[/img].Source", "NetworkSettings.Networks[sp-a].Aliases", "NetworkSettings.Networks[sp-a].IPAMConfig.IPv4Address",
	}, fields)
}
