package app

import (
	"bytes"
	"context"
	"errors"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// advisorFixture is a advisor with a view and containers that a test changes.
type advisorFixture struct {
	*advisor
	out       bytes.Buffer
	shown     fleet.View
	listed    []worker.Observation
	inspected []string
	lists     int
	failure   error // of a list
	sink      *logSink
}

func newAdvisorFixture(s policy.Selector) *advisorFixture {
	l := &advisorFixture{}
	l.sink = newLogSink(loggerTo(&l.out, textFormat()), func() {})
	l.advisor = newAdvisor(s, "own", l, func() fleet.View { return l.shown }, l.sink)
	return l
}

func (l *advisorFixture) List(context.Context) ([]worker.Observation, error) {
	l.lists++
	return l.listed, l.failure
}

func (l *advisorFixture) Do(_ context.Context, a worker.Action) worker.Outcome {
	l.inspected = append(l.inspected, a.Incarnation.ID)
	return worker.Outcome{Action: a, Result: worker.Done, Answer: worker.Answer{Snapshot: &worker.Snapshot{Resources: worker.Resources{CPUs: 0.5}}}}
}

// list ends a list of the watch, and waits until the workers are counted.
func (l *advisorFixture) list(ctx context.Context) {
	l.observe(ctx, worker.Observation{Kind: worker.ListEnd})
	time.Sleep(time.Minute)
	synctest.Wait()
}

func (l *advisorFixture) logged() string {
	l.sink.drain()
	return l.out.String()
}

// Stoker logs once how many containers it manages.
func TestAdvisorNamesTheWorkers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newAdvisorFixture(policy.Selector{})
		ctx, cancel := context.WithCancel(t.Context())
		l.shown.Workers = []fleet.WorkerView{{Key: "a"}, {Key: "b"}}
		l.list(ctx)
		l.list(ctx)
		cancel()
		l.wait()
		require.Equal(t, 1, strings.Count(l.logged(), "\n"), l.logged())
		require.Contains(t, l.logged(), "level="+logrus.InfoLevel.String())
		require.Contains(t, l.logged(), "2 containers")
		require.Contains(t, l.logged(), "a, b")
		require.Zero(t, l.lists, "no advice is needed")
		require.Nil(t, l.within(l.shown).Candidates)
	})
}

// If it manages none it gives advice, in one log line, and in the view while that lasts. It inspects each container once.
func TestAdvisorAdvises(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newAdvisorFixture(policy.Selector{})
		ctx, cancel := context.WithCancel(t.Context())
		l.listed = []worker.Observation{
			{ID: "own", Key: "shop-stoker-1"}, {ID: "x", Key: "shop-cruncher-1", ListState: worker.ListState{Status: worker.StatusRunning}},
			{ID: "task", Key: "task", Labels: map[string]string{"com.docker.swarm.task.id": "t"}},
		}
		require.Nil(t, l.within(l.shown).Candidates, "no list yet")
		l.failure = errors.New("no answer")
		l.list(ctx)
		require.Nil(t, l.within(l.shown).Candidates, "nothing is known")
		l.failure = nil
		l.list(ctx)
		l.list(ctx)
		require.Equal(t, []string{"x"}, l.inspected)
		shown := l.within(l.shown).Candidates
		require.NotNil(t, shown)
		require.Equal(t, 1, shown.Containers)
		require.Len(t, shown.Quotas, 1)

		l.listed = append(l.listed, worker.Observation{ID: "z", Key: "near", Labels: map[string]string{"stoker": "true"}})
		l.list(ctx)
		require.Len(t, l.within(l.shown).Candidates.Near, 1, "the view is up to date")

		l.shown.Workers = []fleet.WorkerView{{Key: "a"}}
		require.Nil(t, l.within(l.shown).Candidates, "at once, and not with the next list")
		l.list(ctx)
		l.shown.Workers = nil
		require.Nil(t, l.within(l.shown).Candidates, "of before")
		cancel()
		l.wait()
		require.Equal(t, 1, strings.Count(l.logged(), "\n"), l.logged())
		require.Contains(t, l.logged(), "level="+logrus.WarnLevel.String())
		require.Contains(t, l.logged(), "shop-cruncher-1 (0.5)")
		require.Contains(t, l.logged(), "docker exec shop-stoker-1 /stoker check")
	})
}

// Without a list nothing is logged.
func TestAdvisorWaitsForTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newAdvisorFixture(policy.Selector{})
		l.observe(t.Context(), worker.Observation{Kind: worker.Connecting})
		time.Sleep(time.Minute)
		l.wait()
		require.Empty(t, l.logged())
	})
}
