package produce_test

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/workerimage/internal/job"
	"stoker/workerimage/internal/produce"
	"stoker/workerimage/internal/queue"
	"stoker/workerimage/internal/task"
)

func TestTallyDetectsDuplicates(t *testing.T) {
	tally := produce.NewTally([]string{"1", "2", "3", "4"})
	for _, result := range []job.Result{
		{ID: "1", Attempt: "a", Worker: "w1"},
		{ID: "1", Attempt: "a", Worker: "w1"}, // the broker delivered the result again
		{ID: "2", Attempt: "b", Worker: "w1"},
		{ID: "2", Attempt: "c", Worker: "w2", Again: true},
		{ID: "2", Attempt: "c", Worker: "w2", Again: true},
		{ID: "3", Attempt: "d", Worker: "w2"},
		{ID: "3", Attempt: "e", Worker: "w2"},
		{ID: "x-1", Attempt: "f"},
		{ID: "x-1", Attempt: "f"},
	} {
		tally.Add(result, 0)
	}
	require.Equal(t, []string{"4"}, tally.Missing())
	require.Equal(t, 2, tally.Duplicates())
	require.Equal(t, 1, tally.DeliveredAgain())
	require.Len(t, tally.Results(), 3)
	require.Equal(t, "4 tasks, 3 results, 2 duplicates, 1 missing; 1 of the duplicates by a task that was delivered again; "+
		"1 results of other runs, left alone\n  2      w1\n  1      w2", tally.String())

	tally.Add(job.Result{ID: "4", Attempt: "g", Worker: "w3", Problem: "no task"}, 2)
	tally.Add(job.Result{ID: "4", Attempt: "g", Worker: "w3", Problem: "no task"}, 3)
	require.Empty(t, tally.Missing())
	require.Equal(t, 5, tally.Duplicates(), "with those that the broker dropped")
	require.Equal(t, 1, tally.Refused())
}

func lookup(values map[string]string) func(string) (string, bool) {
	return func(name string) (string, bool) { value, ok := values[name]; return value, ok }
}

func TestParse(t *testing.T) {
	o, err := produce.Parse(strings.Fields("--tasks 3 --run r --kind squares --size 10 --rate 2.5 --wait --timeout 1m"), true,
		lookup(map[string]string{"WORKER_QUEUE": "redis://h?list=q"}))
	require.NoError(t, err)
	require.Equal(t, produce.Options{
		Queue: queue.Spec{Kind: queue.Redis, Host: "h:6379", Name: "q"},
		Tasks: 3, Kind: task.Squares, Size: 10, Prefix: "00000", Run: "r", Rate: 2.5, Wait: true, Put: true, Timeout: time.Minute,
	}, o)
	require.Equal(t, []string{"r-1", "r-2", "r-3"}, o.IDs())
	require.Equal(t, job.Job{ID: "r-2", Kind: task.Squares, From: 10, To: 20}, o.Jobs()[1])

	one, err := produce.Parse(strings.Fields("--tasks 1 --queue amqp://h?queue=q"), true, lookup(nil))
	require.NoError(t, err)
	two, err := produce.Parse(strings.Fields("--tasks 1 --queue amqp://h?queue=q"), true, lookup(nil))
	require.NoError(t, err)
	require.NotEqual(t, one.Run, two.Run)
	body, err := one.Jobs()[0].Encode()
	require.NoError(t, err)
	_, err = job.Decode(body)
	require.NoError(t, err, "the message is a task")

	o, err = produce.Parse(strings.Fields("--tasks 3 --run r --queue amqp://h?queue=q"), false, lookup(nil))
	require.NoError(t, err)
	require.True(t, o.Wait)
	require.False(t, o.Put)
}

func TestBadOptions(t *testing.T) {
	const url = " --queue=amqp://u:secret@h?queue=q "
	for name, tc := range map[string]struct {
		args string
		put  bool
	}{
		"no tasks":          {url, true},
		"no queue":          {"--tasks 1", true},
		"a bad queue":       {"--tasks 1 --queue amqp://u:secret@h", true},
		"too many":          {url + "--tasks 1000001", true},
		"not a number":      {url + "--tasks many", true},
		"unknown":           {url + "--tasks 1 --colour red", true},
		"an argument":       {url + "--tasks 1 now", true},
		"a URL as a number": {"--tasks amqp://u:secret@h?queue=q", true},
		"a URL as a flag":   {"--tasks=1 --amqp://u:secret@h", true},
		"kind":              {url + "--tasks 1 --kind knit", true},
		"prefix":            {url + "--tasks 1 --prefix xyz", true},
		"size":              {url + "--tasks 1 --size 0", true},
		"rate":              {url + "--tasks 1 --rate -1", true},
		"timeout":           {url + "--tasks 1 --timeout 0s", true},
		"run":               {url + "--tasks 1 --run " + strings.Repeat("x", 101), true},
		"collect what":      {url + "--tasks 1", false},
		"collect a size":    {url + "--tasks 1 --run r --size 1", false},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := produce.Parse(strings.Fields(tc.args), tc.put, lookup(nil))
			require.Error(t, err)
			require.NotContains(t, err.Error(), "secret")
		})
	}
}
