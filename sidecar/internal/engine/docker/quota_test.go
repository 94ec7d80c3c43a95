package docker

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// Answers of the stats call, reduced to the CPU. The first two were taken from engine 20.10.24 on cgroup v1; the third has the form of
// cgroup v2, which has no counter for each CPU; the last is of a stopped container.
const (
	statsV1 = `{"read":"2026-11-25T21:59:39.739019957Z","preread":"2026-11-25T21:59:38.584191944Z","pids_stats":{"current":7},"num_procs":0,
		"cpu_stats":{"cpu_usage":{"total_usage":251144056,"percpu_usage":[49201390,201942666],"usage_in_kernelmode":80000000,"usage_in_usermode":160000000},
		"system_cpu_usage":7402520000000,"online_cpus":2,"throttling_data":{"periods":37,"throttled_periods":3,"throttled_time":39882302}},
		"precpu_stats":{"cpu_usage":{"total_usage":249855169,"percpu_usage":[49201390,200653779],"usage_in_kernelmode":80000000,"usage_in_usermode":160000000},
		"system_cpu_usage":7400230000000,"online_cpus":2,"throttling_data":{"periods":34,"throttled_periods":3,"throttled_time":39882302}}}`
	oneShotV1 = `{"read":"2026-11-25T21:59:40.884827728Z","preread":"0001-01-01T00:00:00Z","pids_stats":{"current":7},"num_procs":0,
		"cpu_stats":{"cpu_usage":{"total_usage":252011542,"percpu_usage":[49201390,202810152],"usage_in_kernelmode":90000000,"usage_in_usermode":160000000},
		"system_cpu_usage":7404790000000,"online_cpus":2,"throttling_data":{"periods":38,"throttled_periods":3,"throttled_time":39882302}},
		"precpu_stats":{"cpu_usage":{"total_usage":0,"usage_in_kernelmode":0,"usage_in_usermode":0},"throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}}}`
	statsV2 = `{"name":"/w","id":"` + testID + `","read":"2026-01-02T03:04:06.5Z","preread":"2026-01-02T03:04:05.5Z","pids_stats":{"current":1,"limit":18446744073709551615},
		"cpu_stats":{"cpu_usage":{"total_usage":700000000,"usage_in_kernelmode":100000000,"usage_in_usermode":600000000},
		"system_cpu_usage":7402520000000,"online_cpus":2,"throttling_data":{"periods":50,"throttled_periods":40,"throttled_time":39882302}},
		"precpu_stats":{"cpu_usage":{"total_usage":200000000,"usage_in_kernelmode":50000000,"usage_in_usermode":150000000},
		"system_cpu_usage":7400230000000,"online_cpus":2,"throttling_data":{"periods":40,"throttled_periods":32,"throttled_time":29882302}}}`
	statsDown = `{"read":"0001-01-01T00:00:00Z","preread":"0001-01-01T00:00:00Z","cpu_stats":{"cpu_usage":{"total_usage":0},"throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}},
		"precpu_stats":{"cpu_usage":{"total_usage":0},"throttling_data":{"periods":0,"throttled_periods":0,"throttled_time":0}}}`
)

func instant(text string) time.Time {
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		panic(err)
	}
	return at
}

func TestSample(t *testing.T) {
	v1 := worker.Stats{At: instant("2026-11-25T21:59:39.739019957Z"), CPU: 251144056, Periods: 37, Throttled: 3}
	before := worker.Stats{At: instant("2026-11-25T21:59:38.584191944Z"), CPU: 249855169, Periods: 34, Throttled: 3}
	for name, c := range map[string]struct {
		span   bool
		answer string
		want   *worker.Usage
	}{
		"two readings, cgroup v1": {true, statsV1, &worker.Usage{Before: before, Now: v1}},
		"one, cgroup v1":          {false, oneShotV1, &worker.Usage{Now: worker.Stats{At: instant("2026-11-25T21:59:40.884827728Z"), CPU: 252011542, Periods: 38, Throttled: 3}}},
		"two, cgroup v2": {true, statsV2, &worker.Usage{
			Before: worker.Stats{At: instant("2026-01-02T03:04:05.5Z"), CPU: 200 * time.Millisecond, Periods: 40, Throttled: 32},
			Now:    worker.Stats{At: instant("2026-01-02T03:04:06.5Z"), CPU: 700 * time.Millisecond, Periods: 50, Throttled: 40},
		}},
		"an engine that gives one where two were asked for": {true, oneShotV1, &worker.Usage{Now: worker.Stats{At: instant("2026-11-25T21:59:40.884827728Z"), CPU: 252011542, Periods: 38, Throttled: 3}}},
		"one that is down": {false, statsDown, nil},
		"no JSON":          {false, "<html>", nil},
		"cut off":          {true, statsV1[:300], nil},
	} {
		t.Run(name, func(t *testing.T) {
			c2, f := newFake(t, func(*http.Request) (*http.Response, error) { return reply(http.StatusOK, c.answer), nil })
			a := action(worker.ReadStats)
			a.Span = c.span
			out := c2.Do(t.Context(), a)
			require.Equal(t, c.want, out.Usage)
			require.Equal(t, map[bool]worker.Result{true: worker.Done, false: worker.Failed}[c.want != nil], out.Result)
			require.Nil(t, out.Host, "not requested")
			require.Len(t, f.seen(), 1)
			require.Equal(t, !c.span, strings.Contains(f.seen()[0], "one-shot=1"), f.seen()[0])
		})
	}
}

// Inactive file cache does not count as used. Figures of 20.10.24 (v1) and 28.5.2 (v2), shortened.
func TestMemoryUsed(t *testing.T) {
	for name, c := range map[string]struct {
		stats string
		want  uint64
	}{
		"cgroup v1":    {`{"usage":3000000,"limit":25165824,"stats":{"inactive_file":1,"total_inactive_file":1000000}}`, 2000000},
		"cgroup v2":    {`{"usage":3000000,"limit":25165824,"stats":{"inactive_file":500000}}`, 2500000},
		"more than it": {`{"usage":3000000,"stats":{"inactive_file":5000000}}`, 3000000},
		"no figures":   {`{}`, 0},
	} {
		t.Run(name, func(t *testing.T) {
			answer := strings.Replace(oneShotV1, `"cpu_stats"`, `"memory_stats":`+c.stats+`,"cpu_stats"`, 1)
			client, _ := newFake(t, func(*http.Request) (*http.Response, error) { return reply(http.StatusOK, answer), nil })
			require.Equal(t, c.want, client.Do(t.Context(), action(worker.ReadStats)).Usage.Now.Memory)
		})
	}
}

// inspectedWith is a running container with these fields of its HostConfig.
func inspectedWith(host string) string {
	return strings.Replace(inspected("running", "healthy"), `"HostConfig":{}`, `"HostConfig":{`+host+`}`, 1)
}

// An engine refuses one form of the quota for a container that was given the other, and Podman obeys only the pair.
func TestUpdateUsesTheContainersForm(t *testing.T) {
	for name, c := range map[string]struct {
		host, sent string
		podman     bool
	}{
		"NanoCpus":                         {`"NanoCpus":500000000`, `"NanoCpus":750000000`, false},
		"period and quota":                 {`"CpuPeriod":50000,"CpuQuota":25000`, `"CpuPeriod":50000,"CpuQuota":37500`, false},
		"quota, the kernel's period":       {`"CpuQuota":50000`, `"CpuPeriod":100000,"CpuQuota":75000`, false},
		"a Podman, which shows both forms": {`"NanoCpus":500000000,"CpuPeriod":100000,"CpuQuota":50000`, `"CpuPeriod":100000,"CpuQuota":75000`, true},
		"a Podman and NanoCpus alone":      {`"NanoCpus":500000000`, `"CpuPeriod":100000,"CpuQuota":75000`, true},
	} {
		t.Run(name, func(t *testing.T) {
			var sent string
			client, _ := newFake(t, func(r *http.Request) (*http.Response, error) {
				if r.Method == http.MethodPost {
					body, err := io.ReadAll(r.Body)
					sent = string(body)
					return reply(http.StatusOK, `{"Warnings":null}`), err
				}
				if sent != "" {
					return reply(http.StatusOK, inspectedWith(c.sent)), nil
				}
				return reply(http.StatusOK, inspectedWith(c.host)), nil
			})
			if c.podman {
				client.podman.Store(&podman{})
			}
			a := action(worker.Update)
			a.From, a.CPUs = 0.5, 0.75
			require.Equal(t, worker.Done, client.Do(t.Context(), a).Result)
			require.Contains(t, sent, strings.Split(c.sent, ",")[0])
			require.Contains(t, sent, c.sent[strings.LastIndex(c.sent, ",")+1:])
			other := map[bool]string{true: `"CpuQuota":0`, false: `"NanoCpus":0`}[strings.HasPrefix(c.sent, `"Nano`)]
			require.Contains(t, sent, other)
		})
	}
}

// An engine that confirms the update and does nothing would get the request again at once, for ever.
func TestUpdateThatDoesNothing(t *testing.T) {
	client, _ := newFake(t, func(r *http.Request) (*http.Response, error) {
		if r.Method == http.MethodPost {
			return reply(http.StatusOK, `{"Warnings":null}`), nil
		}
		return reply(http.StatusOK, inspectedWith(`"NanoCpus":500000000`)), nil
	})
	a := action(worker.Update)
	a.From, a.CPUs = 0.5, 0.75
	out := client.Do(t.Context(), a)
	require.Equal(t, worker.Failed, out.Result)
	require.Contains(t, out.Err, "accepted the quota")
	require.InDelta(t, 0.5, out.Snapshot.CPUs, 1e-9)
}

func TestUpdateIsNotSent(t *testing.T) {
	for name, c := range map[string]struct {
		host string
		want worker.Result
	}{
		"GPUs, which it would take away":  {`"NanoCpus":500000000,"DeviceRequests":[{"Driver":"nvidia","Count":-1,"Capabilities":[["gpu"]]}]`, worker.Failed},
		"another client set it meanwhile": {`"NanoCpus":400000000`, worker.Refused},
	} {
		t.Run(name, func(t *testing.T) {
			client, f := newFake(t, func(r *http.Request) (*http.Response, error) {
				if r.Method != http.MethodGet {
					return nil, fmt.Errorf("%s %s was sent", r.Method, r.URL.Path)
				}
				return reply(http.StatusOK, inspectedWith(c.host)), nil
			})
			a := action(worker.Update)
			a.From, a.CPUs = 0.5, 0.75
			require.Equal(t, c.want, client.Do(t.Context(), a).Result)
			require.Len(t, f.seen(), 1)
		})
	}
}
