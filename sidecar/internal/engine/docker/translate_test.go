package docker

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/docker/docker/api/types/container"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// As 20.10.24 sent it, shortened.
const wholeInspect = `{"Id":"` + testID + `","Created":"2026-11-23T17:37:28Z","Image":"sha256:aa","Name":"/web-1",
"State":{"Status":"exited","Running":false,"Paused":false,"Restarting":false,"OOMKilled":true,"Dead":false,"Pid":0,"ExitCode":137,
 "Error":"bind: address already in use","StartedAt":"2026-11-23T17:37:28.313755226Z","FinishedAt":"2026-11-23T17:37:28.85414314Z",
 "Health":{"Status":"unhealthy","FailingStreak":2,"Log":[
  {"Start":"2026-11-23T17:37:20.1Z","End":"2026-11-23T17:37:20.2Z","ExitCode":1,"Output":"no"},
  {"Start":"2026-11-23T18:37:25+01:00","End":"2026-11-23T18:37:26+01:00","ExitCode":-1,"Output":"Health check exceeded timeout (1s)"}]}},
"HostConfig":{"RestartPolicy":{"Name":"on-failure","MaximumRetryCount":2},"AutoRemove":true,"NanoCpus":500000000,"Memory":33554432},
"Config":{"Image":"worker:dev","Labels":{"stoker.enable":"true"},"StopSignal":"SIGINT","StopTimeout":30,"Healthcheck":{"Test":["CMD","/w"]}}}
`

func TestSnapshotOfInspect(t *testing.T) {
	c, _ := newFake(t, replies(200, wholeInspect))
	out := c.Do(t.Context(), action(worker.Inspect))
	require.Equal(t, worker.Done, out.Result, out.Err)
	at := func(text string) time.Time {
		when, err := time.Parse(time.RFC3339Nano, text)
		require.NoError(t, err)
		return when
	}
	require.Equal(t, worker.Snapshot{
		Incarnation: worker.Incarnation{ID: testID, StartedAt: at("2026-11-23T17:37:28.313755226Z")},
		Key:         "web-1",
		Labels:      map[string]string{"stoker.enable": "true"},
		ImageRef:    worker.ImageRef{Image: "worker:dev", ImageID: "sha256:aa"},
		Created:     at("2026-11-23T17:37:28Z"),
		ProcessState: worker.ProcessState{
			Status:     worker.StatusExited,
			FinishedAt: at("2026-11-23T17:37:28.85414314Z"),
			ExitCode:   137,
			OOMKilled:  true,
			StartError: "bind: address already in use",
		},
		HealthState: worker.HealthState{
			HasHealthcheck: true,
			ProbeEvery:     30 * time.Second,
			Health:         worker.HealthUnhealthy,
			Probes: []worker.Probe{
				{At: at("2026-11-23T17:37:20.1Z"), ExitCode: 1, Output: "no"},
				{At: at("2026-11-23T17:37:25Z"), ExitCode: worker.ProbeTimedOut, Output: "Health check exceeded timeout (1s)"},
			},
		},
		EndRules: worker.EndRules{
			RestartPolicy: worker.RestartPolicy{Name: "on-failure", MaxRetries: 2},
			AutoRemove:    true,
			StopSignal:    syscall.SIGINT,
			StopTimeout:   30 * time.Second,
		},
		Resources:  worker.Resources{CPUs: 0.5, MemoryLimit: 32 << 20},
		Definition: []byte(strings.TrimSpace(wholeInspect)),
	}, *out.Snapshot)
}

func TestSnapshotOfLittle(t *testing.T) {
	c, _ := newFake(t, replies(200, `{"Id":"a","State":{"Status":"created","StartedAt":"0001-01-01T00:00:00Z","FinishedAt":"0001-01-01T00:00:00Z"},"Config":{"Healthcheck":{"Test":["NONE"]}}}`))
	got := c.Do(t.Context(), action(worker.Inspect)).Snapshot
	require.NotNil(t, got)
	require.True(t, got.StartedAt.IsZero())
	require.True(t, got.FinishedAt.IsZero())
	require.Equal(t, worker.StatusCreated, got.Status)
	require.False(t, got.HasHealthcheck)
	require.Equal(t, worker.HealthNone, got.Health)
	require.Equal(t, syscall.SIGTERM, got.StopSignal)
	require.Zero(t, got.StopTimeout)
	require.Zero(t, got.CPUs)
}

// Only a probe that the engine reports as timed out counts as timed out. The texts are those of engines 20.10.24 and 28.5.2.
func TestProbeExit(t *testing.T) {
	tests := map[string]struct {
		code int
		text string
		want int
	}{
		"its own answer":      {1, "no heartbeat", 1},
		"timed out":           {-1, "Health check exceeded timeout (1s)", worker.ProbeTimedOut},
		"timed out, 28":       {-1, "Health check exceeded timeout (1s): checking...", worker.ProbeTimedOut},
		"timed out at start":  {-1, "timed out starting health check for container 3f", worker.ProbeTimedOut},
		"Podman's time-out":   {-1, "", worker.ProbeTimedOut},
		"program missing":     {-1, `OCI runtime exec failed: exec failed: unable to start container process: exec: "/gone": stat /gone: no such file or directory: unknown`, worker.ProbeNotRun},
		"working directory":   {-1, "OCI runtime exec failed: exec failed: unable to start container process: chdir to cwd (\"/gone\") set in config.json failed: no such file or directory: unknown", worker.ProbeNotRun},
		"too many open files": {-1, "open /run/docker/containerd/x: too many open files", worker.ProbeNotRun},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			require.Equal(t, tt.want, probeExit(&container.HealthcheckResult{ExitCode: tt.code, Output: tt.text}))
		})
	}
}

// A container's own stop timeout is kept, whatever its value.
func TestStopTimeout(t *testing.T) {
	for text, want := range map[string]time.Duration{
		`{}`: 0, `{"StopTimeout":null}`: 0, `{"StopTimeout":0}`: policy.NoStopWait, `{"StopTimeout":7}`: 7 * time.Second,
		`{"StopTimeout":-1}`: mostStopSeconds * time.Second, `{"StopTimeout":` + strconv.Itoa(math.MaxInt) + `}`: min(math.MaxInt, mostStopSeconds) * time.Second,
	} {
		c, _ := newFake(t, replies(200, `{"Id":"a","State":{"Status":"running"},"Config":`+text+`}`))
		require.Equal(t, want, c.Do(t.Context(), action(worker.Inspect)).Snapshot.StopTimeout, text)
	}
}

func TestStopping(t *testing.T) {
	cases := map[string]struct {
		state container.State
		want  bool
	}{
		"running":               {container.State{Status: "running", Running: true}, false},
		"paused":                {container.State{Status: "paused", Running: true, Paused: true}, false},
		"exited":                {container.State{Status: "exited"}, false},
		"stopping, Podman 5.4":  {container.State{Status: "stopping"}, true},
		"stopping, Podman 5.8":  {container.State{Status: "running", Pid: 3457}, true},
		"an engine of tomorrow": {container.State{Status: "hibernated"}, false},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, stopping(&tc.state)) })
	}
}

func TestStatus(t *testing.T) {
	cases := map[string]struct {
		state container.State
		want  worker.Status
	}{
		"running":            {container.State{Status: "running", Running: true}, worker.StatusRunning},
		"paused wins":        {container.State{Status: "running", Running: true, Paused: true}, worker.StatusPaused},
		"restarting wins":    {container.State{Status: "running", Running: true, Restarting: true}, worker.StatusRestarting},
		"dead wins":          {container.State{Status: "exited", Dead: true, Running: true}, worker.StatusDead},
		"removing wins":      {container.State{Status: "removing", Dead: true}, worker.StatusRemoving},
		"created":            {container.State{Status: "created"}, worker.StatusCreated},
		"exited":             {container.State{Status: "exited"}, worker.StatusExited},
		"a future status":    {container.State{Status: "hibernated"}, worker.StatusUnknown},
		"gone is not theirs": {container.State{Status: "gone"}, worker.StatusUnknown},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, status(&tc.state)) })
	}
}

func TestQuota(t *testing.T) {
	cases := map[string]struct {
		resources container.Resources
		want      float64
	}{
		"none":             {container.Resources{}, 0},
		"cpus":             {container.Resources{NanoCPUs: 1_500_000_000}, 1.5},
		"quota and period": {container.Resources{CPUQuota: 25_000, CPUPeriod: 50_000}, 0.5},
		"quota alone":      {container.Resources{CPUQuota: 25_000}, 0.25},
		"unlimited":        {container.Resources{CPUQuota: -1, CPUPeriod: 100_000}, 0},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) { require.InDelta(t, tc.want, quota(tc.resources), 1e-9) })
	}
}

func TestSignalOf(t *testing.T) {
	for text, want := range map[string]syscall.Signal{
		"": 0, "15": 15, "9": 9, "0": 0, "-1": 0, "65": 0, "64": 64, "TERM": 15, "SIGTERM": 15, "sigquit": 3, "Int": 2, "WINCH": 28,
		"SIGRTMIN": 34, "RTMIN+3": 37, "SIGRTMIN+30": 64, "SIGRTMIN+31": 0, "SIGRTMAX": 64, "SIGRTMAX-1": 63, "SIGRTMAX+1": 0, "SIGRTMIN-1": 0,
		"SIGRTMINX": 0, "nonsense": 0,
	} {
		t.Run(text, func(t *testing.T) { require.Equal(t, want, signalOf(text)) })
	}
}

func TestList(t *testing.T) {
	c, f := newFake(t, replies(200, `[
{"Id":"a","Names":["/lnk/al","/net2"],"State":"running","Status":"Up 2 minutes (healthy)","Labels":{"k":"v"}},
{"Id":"b","Names":["/b"],"State":"restarting","Status":"Restarting (3) 1 second ago"},
{"Id":"c","Names":["/c"],"State":"running","Status":"Up 1 second (health: starting)"},
{"Id":"d","Names":["/d"],"State":"running","Status":"Up 1 second (unhealthy)"},
{"Id":"e","Names":["/e"],"State":"paused","Status":"Up 2 hours (Paused)"},
{"Id":"f","State":"removing","Status":"Removal In Progress"}]`))
	got, err := c.List(t.Context())
	require.NoError(t, err)
	require.Equal(t, []string{"GET /v1.41/containers/json?all=1"}, f.seen())
	listed := func(id, key string, s worker.Status, h worker.Health) worker.Observation {
		return worker.Observation{Kind: worker.Listed, ID: id, Key: worker.Key(key), ListState: worker.ListState{Status: s, Health: h}}
	}
	want := []worker.Observation{
		listed("a", "net2", worker.StatusRunning, worker.HealthHealthy),
		listed("b", "b", worker.StatusRestarting, worker.HealthNone),
		listed("c", "c", worker.StatusRunning, worker.HealthStarting),
		listed("d", "d", worker.StatusRunning, worker.HealthUnhealthy),
		listed("e", "e", worker.StatusPaused, worker.HealthNone),
		listed("f", "", worker.StatusRemoving, worker.HealthNone),
	}
	want[0].Labels = map[string]string{"k": "v"}
	require.Equal(t, want, got)
}

// Rule 3: an error is never "no workers".
func TestListFails(t *testing.T) {
	for name, answer := range map[string]func(*http.Request) (*http.Response, error){
		"error": replies(500, `{"message":"no"}`), "forbidden": replies(403, "no"), "half": replies(200, `[{"Id":"a"}`), "no engine": fails(errRefused),
	} {
		t.Run(name, func(t *testing.T) {
			c, _ := newFake(t, answer)
			got, err := c.List(t.Context())
			require.Error(t, err)
			require.Nil(t, got)
		})
	}
}

func TestOwnID(t *testing.T) {
	other := strings.Repeat("f", 64)
	mounts := map[string]struct{ table, want string }{
		"docker": {"541 540 254:1 /var/lib/docker/containers/" + testID + "/resolv.conf /etc/resolv.conf rw - ext4 /dev/vda rw\n", testID},
		"podman": {"541 540 0:1 /var/lib/containers/storage/overlay-containers/" + testID + "/userdata/hostname /etc/hostname rw - tmpfs tmpfs rw\n", testID},
		"a host with containers": {"98 28 0:45 / /var/lib/docker/containers/" + other + "/mounts/shm rw - tmpfs shm rw\n" +
			"99 28 254:1 /etc/hosts /etc/hosts rw - ext4 /dev/vda rw\n", ""},
		"another container's folder": {"99 28 254:1 /var/lib/docker/containers/" + other + "/x /data rw - ext4 /dev/vda rw\n", ""},
		"cut short":                  {"1 2 3\n", ""},
	}
	for name, tc := range mounts {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, idInMounts(strings.NewReader(tc.table))) })
	}
	cgroups := map[string]struct{ table, want string }{
		"v1":      {"5:cpu:/docker/" + testID + "\n", testID},
		"systemd": {"0::/system.slice/docker-" + testID + ".scope\n", testID},
		"nested":  {"5:cpu:/docker/" + other + "/docker/" + testID + "\n", testID},
		"own ns":  {"0::/\n", ""},
	}
	for name, tc := range cgroups {
		t.Run(name, func(t *testing.T) { require.Equal(t, tc.want, idInCgroup(strings.NewReader(tc.table))) })
	}
}
