package docker

import (
	"encoding/json"
	"math"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/events"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// actions maps each kind of observation that comes from an event to the engine's action.
func actions() map[worker.Kind]events.Action {
	return map[worker.Kind]events.Action{
		worker.Created: "create", worker.Started: "start", worker.Exited: "die", worker.Signalled: "kill", worker.Stopped: "stop",
		worker.OutOfMemory: "oom", worker.Paused: "pause", worker.Resumed: "unpause", worker.Updated: "update", worker.Renamed: "rename",
		worker.Gone: "destroy", worker.Healthy: "health_status: healthy", worker.Unhealthy: "health_status: unhealthy",
	}
}

// FuzzEvents feeds bytes that are no event stream, or one that no engine would send. The observations are complete and can be stored in the
// journal. Encoded as events again, they have the same meaning.
func FuzzEvents(f *testing.F) {
	for _, action := range actions() {
		f.Add([]byte(eventJSON(5_000_000_001, string(action), `,"exitCode":"137","signal":"15","oldName":"/v"`)))
	}
	f.Add([]byte(eventJSON(1, "die", "") + eventJSON(2, "start", "") + `{"Type":"conta`))
	f.Add([]byte(`{"Type":"container","Action":"die","Actor":{"ID":"a","Attributes":null},"time":9223372036854775807}` + "\n" + `null` + "\n" + `[]`))
	f.Add([]byte(`{"Type":"container","Action":"kill","Actor":{"ID":"a","Attributes":{"signal":"SIGRTMAX-99","name":"\u0000"}},"timeNano":-1}`))
	f.Fuzz(func(t *testing.T, body []byte) {
		history := func(body []byte) ([]worker.Observation, error) {
			c, _ := newFake(t, replies(200, string(body)))
			return c.History(t.Context(), time.Unix(1, 0), time.Unix(9, 0))
		}
		got, err := history(body)
		if err != nil {
			require.Empty(t, got, "half a history is none")
			require.True(t, utf8.ValidString(err.Error()))
			return
		}
		var again []byte
		for i, o := range got {
			if o.Labels == nil { // no attributes at all, which an engine does not send
				got[i].Labels = map[string]string{}
			}
			requireWhole(t, o)
			again = append(again, encode(t, o)...)
		}
		same, err := history(again)
		require.NoError(t, err)
		require.Equal(t, got, same)
	})
}

func requireWhole(t *testing.T, o worker.Observation) {
	t.Helper()
	require.NotEmpty(t, actions()[o.Kind])
	require.NotEmpty(t, o.ID)
	require.True(t, o.Signal >= 0 && o.Signal <= rtMax)
	requireStorable(t, o.At)
	for _, own := range []string{"image", "name", "exitCode", "signal", "oldName", "execDuration"} {
		require.NotContains(t, o.Labels, own)
	}
}

// encode returns the engine's event for an observation.
func encode(t *testing.T, o worker.Observation) []byte {
	t.Helper()
	attributes := map[string]string{"name": string(o.Key)}
	for name, value := range o.Labels {
		attributes[name] = value
	}
	switch o.Kind {
	case worker.Exited:
		attributes["exitCode"] = jsonOf(t, o.ExitCode)
	case worker.Signalled:
		attributes["signal"] = jsonOf(t, int(o.Signal))
	case worker.Renamed:
		attributes["oldName"] = "/" + string(o.OldKey)
	default: // the kind is enough
	}
	m := events.Message{Type: events.ContainerEventType, Action: actions()[o.Kind], Actor: events.Actor{ID: o.ID, Attributes: attributes}}
	if m.Time = o.At.Unix(); m.Time > -9e9 && m.Time < 9e9 { // the range of nanoseconds
		m.TimeNano = o.At.UnixNano()
	}
	return []byte(jsonOf(t, m))
}

func jsonOf(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	require.NoError(t, err)
	return string(text)
}

// requireStorable checks that the journal can store a time: its year has four digits.
func requireStorable(t *testing.T, at time.Time) {
	t.Helper()
	require.Equal(t, time.UTC, at.Location())
	_, err := json.Marshal(at)
	require.NoError(t, err)
}

// FuzzInspect feeds bytes that are no inspect, or one that no engine would send. The snapshot has no value that the rules cannot handle,
// and parsing the definition that it keeps gives the same snapshot.
func FuzzInspect(f *testing.F) {
	f.Add([]byte(wholeInspect))
	f.Add([]byte(`{"Id":"a","State":{"Status":"created","StartedAt":"0001-01-01T00:00:00Z","FinishedAt":"9999-12-31T23:59:59-23:59"},"Config":{"Healthcheck":{"Test":["NONE"]},"StopTimeout":9999999999999}}`))
	f.Add([]byte(`{"Id":"a","Name":"//x","State":{"Restarting":true,"Running":true,"Health":{"Status":"Healthy","Log":[null,{"ExitCode":-9}]}},"HostConfig":{"CpuQuota":-1,"CpuPeriod":9223372036854775807,"NanoCpus":0,"DeviceRequests":[{}]}}`))
	f.Add([]byte(`{"Id":"a","State":{"Health":{"Log":[{"Start":"0000-01-01T00:00:00+23:00"}]}},"HostConfig":{"CpuQuota":9223372036854775807,"CpuPeriod":1},"Config":{"StopSignal":"RTMIN+3","Healthcheck":{"Test":["CMD"],"Interval":-1}}}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := snapshotOf(raw)
		if err != nil {
			require.Zero(t, got)
			return
		}
		requireCountable(t, got)
		require.True(t, json.Valid(got.Definition))
		again, err := snapshotOf(got.Definition)
		require.NoError(t, err)
		require.Equal(t, got, again)
		for _, podman := range []bool{false, true} {
			asked, err := resources(got.Definition, 0.5, podman)
			require.NoError(t, err)
			require.NotEqual(t, asked.NanoCPUs > 0, asked.CPUQuota > 0, "the engine takes one form of a quota")
		}
	})
}

func snapshotOf(raw []byte) (worker.Snapshot, error) {
	var in container.InspectResponse
	if err := json.Unmarshal(raw, &in); err != nil {
		return worker.Snapshot{}, err
	}
	return translateInspect(in, raw)
}

func requireCountable(t *testing.T, s worker.Snapshot) {
	t.Helper()
	require.NotEmpty(t, s.ID)
	require.Equal(t, s.Health, health(string(s.Health)))
	require.Equal(t, s.Status, statusOf(string(s.Status)))
	require.True(t, s.StopSignal > 0 && s.StopSignal <= rtMax)
	require.GreaterOrEqual(t, s.StopTimeout, policy.NoStopWait)
	require.GreaterOrEqual(t, s.ProbeEvery, time.Duration(0))
	require.GreaterOrEqual(t, s.CPUPeriod, time.Duration(0))
	require.True(t, s.CPUs >= 0 && !math.IsInf(s.CPUs, 0))
	requireStorable(t, s.StartedAt)
	requireStorable(t, s.FinishedAt)
	for _, p := range s.Probes {
		requireStorable(t, p.At)
	}
}

// FuzzList feeds bytes that are no list of containers. An answer that cannot be parsed is never taken for a host without workers.
func FuzzList(f *testing.F) {
	f.Add([]byte(`[{"Id":"` + testID + `","Names":["/web/db","/db"],"State":"running","Status":"Up 2 minutes (healthy)","Labels":{"stoker.enable":"true"}}]`))
	f.Add([]byte(`[{"Id":"a","Names":null,"State":"Exited","Status":"Up 1 second (health: starting)"},{"Id":"b","Names":["/"],"Status":")("}]`))
	f.Add([]byte(`[{"Names":["/nameless"]}]`))
	f.Add([]byte(`[null]`))
	f.Add([]byte(`{"message":"no such thing"}`))
	f.Add([]byte(``))
	f.Fuzz(func(t *testing.T, body []byte) {
		c, _ := newFake(t, replies(200, string(body)))
		got, err := c.List(t.Context())
		if err != nil {
			require.Nil(t, got)
			return
		}
		var entries []json.RawMessage
		require.NoError(t, json.NewDecoder(strings.NewReader(string(body))).Decode(&entries))
		require.Len(t, got, len(entries), "none is left out")
		for _, o := range got {
			require.Equal(t, worker.Listed, o.Kind)
			require.NotEmpty(t, o.ID)
			require.NotContains(t, string(o.Key), "/")
			require.Equal(t, o.Status, statusOf(string(o.Status)))
			require.Equal(t, o.Health, health(string(o.Health)))
		}
	})
}

// FuzzStats feeds bytes that are no CPU accounting. A sample has a time, and its counters are not negative.
func FuzzStats(f *testing.F) {
	f.Add([]byte(`{"read":"2026-11-23T17:37:28Z","preread":"2026-11-23T17:37:27Z","cpu_stats":{"cpu_usage":{"total_usage":7},"throttling_data":{"periods":2,"throttled_periods":1}},"precpu_stats":{"cpu_usage":{"total_usage":5}}}`), true)
	f.Add([]byte(`{"read":"0001-01-01T00:00:00Z"}`), false)
	f.Add([]byte(`{"read":"9999-12-31T23:59:59-23:00","cpu_stats":{"cpu_usage":{"total_usage":18446744073709551615}}}`), false)
	f.Fuzz(func(t *testing.T, body []byte, span bool) {
		c, _ := newFake(t, func(r *http.Request) (*http.Response, error) {
			require.Equal(t, http.MethodGet, r.Method)
			return reply(200, string(body)), nil
		})
		a := action(worker.ReadStats)
		a.Span = span
		out := c.Do(t.Context(), a)
		require.True(t, slices.Contains([]worker.Result{worker.Done, worker.Failed}, out.Result))
		require.Equal(t, out.Result == worker.Done, out.Usage != nil)
		require.Equal(t, out.Result == worker.Failed, out.Err != "")
		if out.Usage == nil {
			return
		}
		require.False(t, out.Usage.Now.At.IsZero())
		for _, m := range []worker.Stats{out.Usage.Now, out.Usage.Before} {
			require.GreaterOrEqual(t, m.CPU, time.Duration(0))
			requireStorable(t, m.At)
		}
	})
}
