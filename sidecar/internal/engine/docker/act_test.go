package docker

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

var bornAt = time.Date(2026, 1, 2, 3, 4, 5, 600, time.UTC)

func inspected(status, health string) string {
	return inspectedAt(status, health, bornAt)
}

func inspectedAt(status, health string, at time.Time) string {
	running := status == "running" || status == "paused" || status == "restarting"
	return fmt.Sprintf(`{"Id":%q,"Name":"/w","State":{"Status":%q,"Running":%t,"Paused":%t,"Restarting":%t,"StartedAt":%q,"FinishedAt":"0001-01-01T00:00:00Z","Health":{"Status":%q}},"Config":{"Healthcheck":{"Test":["CMD","x"]}},"HostConfig":{}}`,
		testID, status, running, status == "paused", status == "restarting", at.Format(time.RFC3339Nano), health)
}

func action(verb worker.Verb) worker.Action {
	return worker.Action{
		ID:          7,
		Verb:        verb,
		Incarnation: worker.Incarnation{ID: testID, StartedAt: bornAt},
		StopArgs:    worker.StopArgs{Grace: 1500 * time.Millisecond},
		Deadline:    5 * time.Second,
	}
}

type answers []func(*http.Request) (*http.Response, error)

// inTurn answers call after call; one call too many fails the test.
func inTurn(t *testing.T, list answers) func(*http.Request) (*http.Response, error) {
	next := 0
	return func(r *http.Request) (*http.Response, error) {
		require.Less(t, next, len(list), "one call too many: %s %s", r.Method, r.URL)
		next++
		return list[next-1](r)
	}
}

func replies(status int, body string) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return reply(status, body), nil }
}

func fails(err error) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) { return nil, err }
}

const (
	inspectCall = "GET /v1.41/containers/" + testID + "/json"
	startCall   = "POST /v1.41/containers/" + testID + "/start"
	stopCall    = "POST /v1.41/containers/" + testID + "/stop?t=2"
)

func TestDo(t *testing.T) {
	inspect := replies(200, inspected("running", "unhealthy"))
	down := replies(200, inspected("exited", "unhealthy"))
	no := replies(500, `{"message":"port is already allocated"}`)
	recent := action(worker.Stop)
	recent.Inspected = true
	gone := replies(404, `{"message":"No such container"}`)
	type want struct {
		result      worker.Result
		missing     bool
		unreachable bool
		status      worker.Status // of the snapshot; empty means no snapshot
		calls       []string
	}
	cases := map[string]struct {
		action  worker.Action
		answers answers
		want    want
	}{
		"inspect":                {action(worker.Inspect), answers{inspect}, want{result: worker.Done, status: "running", calls: []string{inspectCall}}},
		"inspect at nothing":     {action(worker.Inspect), answers{gone}, want{result: worker.Failed, missing: true, calls: []string{inspectCall}}},
		"inspect, no engine":     {action(worker.Inspect), answers{fails(errRefused)}, want{result: worker.Failed, unreachable: true, calls: []string{inspectCall}}},
		"inspect, no answer":     {action(worker.Inspect), answers{hang}, want{result: worker.Failed, unreachable: true, calls: []string{inspectCall}}},
		"inspect at nonsense":    {action(worker.Inspect), answers{replies(200, `{}`)}, want{result: worker.Failed, calls: []string{inspectCall}}},
		"inspect, proxy alone":   {action(worker.Inspect), answers{replies(503, `no server`)}, want{result: worker.Failed, unreachable: true, calls: []string{inspectCall}}},
		"start":                  {action(worker.Start), answers{replies(204, ""), inspect}, want{result: worker.Done, status: "running", calls: []string{startCall, inspectCall}}},
		"start of a running":     {action(worker.Start), answers{replies(304, ""), inspect}, want{result: worker.Done, status: "running", calls: []string{startCall, inspectCall}}},
		"start refused":          {action(worker.Start), answers{no, down}, want{result: worker.Failed, status: "exited", calls: []string{startCall, inspectCall}}},
		"start, network gone":    {action(worker.Start), answers{replies(404, `{"message":"network x not found"}`), down}, want{result: worker.Failed, status: "exited", calls: []string{startCall, inspectCall}}},
		"start of nothing":       {action(worker.Start), answers{gone, gone}, want{result: worker.Failed, missing: true, calls: []string{startCall, inspectCall}}},
		"start, no engine":       {action(worker.Start), answers{fails(errRefused)}, want{result: worker.Failed, unreachable: true, calls: []string{startCall}}},
		"start, no answer":       {action(worker.Start), answers{hang}, want{result: worker.Unknown, calls: []string{startCall}}},
		"start, engine dies":     {action(worker.Start), answers{fails(errBroken)}, want{result: worker.Unknown, calls: []string{startCall}}},
		"start, proxy timeout":   {action(worker.Start), answers{replies(504, `timeout`)}, want{result: worker.Unknown, calls: []string{startCall}}},
		"start, proxy alone":     {action(worker.Start), answers{replies(503, `no server`)}, want{result: worker.Failed, unreachable: true, calls: []string{startCall}}},
		"start, inspect fails":   {action(worker.Start), answers{replies(204, ""), fails(errRefused)}, want{result: worker.Unknown, calls: []string{startCall, inspectCall}}},
		"start, gone at once":    {action(worker.Start), answers{replies(204, ""), gone}, want{result: worker.Failed, missing: true, calls: []string{startCall, inspectCall}}},
		"stop":                   {action(worker.Stop), answers{inspect, replies(204, "")}, want{result: worker.Done, calls: []string{inspectCall, stopCall}}},
		"stop, just inspected":   {recent, answers{replies(204, "")}, want{result: worker.Done, calls: []string{stopCall}}},
		"stop of nothing":        {action(worker.Stop), answers{gone}, want{result: worker.Failed, missing: true, calls: []string{inspectCall}}},
		"stop, no first inspect": {action(worker.Stop), answers{hang}, want{result: worker.Failed, unreachable: true, calls: []string{inspectCall}}},
		"stop, no answer":        {action(worker.Stop), answers{inspect, hang}, want{result: worker.Unknown, calls: []string{inspectCall, stopCall}}},
		"stop refused":           {action(worker.Stop), answers{inspect, no, inspect}, want{result: worker.Failed, status: "running", calls: []string{inspectCall, stopCall, inspectCall}}},
		"stop of a dead one":     {action(worker.Stop), answers{down}, want{result: worker.Refused, status: "exited", calls: []string{inspectCall}}},
		"stop of a paused one":   {action(worker.Stop), answers{replies(200, inspected("paused", "unhealthy"))}, want{result: worker.Refused, status: "paused", calls: []string{inspectCall}}},
		"stop in Docker's delay": {action(worker.Stop), answers{replies(200, inspected("restarting", "unhealthy"))},
			want{result: worker.Refused, status: "restarting", calls: []string{inspectCall}}},
		"stop of a later incarnation": {action(worker.Stop), answers{replies(200, inspectedAt("running", "unhealthy", bornAt.Add(1)))},
			want{result: worker.Refused, status: "running", calls: []string{inspectCall}}},
		"no such verb": {action(99), nil, want{result: worker.Failed}},
	}
	for name, tc := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, f := newFake(t, inTurn(t, tc.answers))
				began := time.Now()
				out := c.Do(t.Context(), tc.action)
				require.Equal(t, tc.want.result, out.Result, out.Err)
				require.Equal(t, tc.want.missing, out.Missing)
				require.Equal(t, tc.want.unreachable, out.Unreachable)
				require.Equal(t, tc.want.calls, f.seen())
				require.Equal(t, tc.action, out.Action)
				require.LessOrEqual(t, time.Since(began), tc.action.Deadline)
				require.Equal(t, tc.want.result == worker.Done, out.Err == "")
				if tc.want.status == "" {
					require.Nil(t, out.Snapshot)
					return
				}
				require.NotNil(t, out.Snapshot)
				require.Equal(t, tc.want.status, out.Snapshot.Status)
			})
		})
	}
}

// TestStartThatFailsForANetwork: the state of the container no longer shows it once another client's start has succeeded.
func TestStartThatFailsForANetwork(t *testing.T) {
	for message, want := range map[string]bool{
		"driver failed programming external connectivity on endpoint w: address already in use": true,
		"failed to set up container networking: network front not found":                        true,
		"no such device": false,
	} {
		for name, after := range map[string]func(*http.Request) (*http.Response, error){"running": replies(200, inspected("running", "")), "no answer": fails(errBroken)} {
			t.Run(message+", "+name, func(t *testing.T) {
				c, _ := newFake(t, inTurn(t, answers{replies(500, `{"message":"`+message+`"}`), after}))
				out := c.Do(t.Context(), action(worker.Start))
				require.Equal(t, worker.Failed, out.Result)
				require.Equal(t, want, out.NetworkFailed)
			})
		}
	}
}

func TestStopOnlyIfUnhealthy(t *testing.T) {
	for health, want := range map[string]worker.Result{
		"healthy": worker.Refused, "starting": worker.Refused, "unhealthy": worker.Done,
	} {
		t.Run(health, func(t *testing.T) {
			c, _ := newFake(t, inTurn(t, answers{replies(200, inspected("running", health)), replies(204, ""), replies(200, inspected("exited", health))}))
			a := action(worker.Stop)
			a.OnlyIfUnhealthy = true
			require.Equal(t, want, c.Do(t.Context(), a).Result)
		})
	}
}

func TestStopGrace(t *testing.T) {
	for grace, want := range map[time.Duration]string{
		0: "?t=0", 1: "?t=1", time.Second: "?t=1", 1001 * time.Millisecond: "?t=2", 5 * time.Minute: "?t=300", -1: "",
	} {
		t.Run(grace.String(), func(t *testing.T) {
			c, f := newFake(t, inTurn(t, answers{replies(200, inspected("running", "")), replies(204, ""), replies(200, inspected("exited", ""))}))
			a := action(worker.Stop)
			a.Grace = grace
			require.Equal(t, worker.Done, c.Do(t.Context(), a).Result)
			_, query, _ := strings.Cut(f.seen()[1], "/stop")
			require.Equal(t, want, query)
		})
	}
}

// A stop may take as long as its grace; only the action's own deadline may end it.
func TestNoTimeLimitOfItsOwn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		slow := func(r *http.Request) (*http.Response, error) {
			select {
			case <-time.After(9 * time.Minute):
				return reply(204, ""), nil
			case <-r.Context().Done():
				return nil, r.Context().Err()
			}
		}
		c, _ := newFake(t, inTurn(t, answers{replies(200, inspected("running", "")), slow, replies(200, inspected("exited", ""))}))
		a := action(worker.Stop)
		a.Deadline = 10 * time.Minute
		require.Equal(t, worker.Done, c.Do(t.Context(), a).Result)
	})
}
