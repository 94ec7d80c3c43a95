package peers

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func report(host, instance string, workers ...string) Report {
	r := Report{called: host, instance: instance, Workers: []Worker{}}
	for _, key := range workers {
		r.Workers = append(r.Workers, Worker{Key: key, State: "running"})
	}
	return r
}

// shown is hosts in a line each.
func shown(hosts []Host) []string {
	var lines []string
	for _, h := range hosts {
		line := fmt.Sprintf("%s %s %s", h.Name, h.Address, h.State)
		for _, w := range h.Workers {
			line += " " + w.Key + "=" + w.State
		}
		lines = append(lines, line)
	}
	return lines
}

func TestTableOfAList(t *testing.T) {
	now := time.Unix(1000, 0)
	table := NewTable("me", []string{"http://b", "http://a", "http://me"})
	require.Equal(t, []string{"http://a http://a asking", "http://b http://b asking", "http://me http://me asking"}, shown(table.Hosts()))
	require.Equal(t, []string{"http://a", "http://b", "http://me"}, table.Due(now))
	require.Empty(t, table.Due(now.Add(AskEvery-1)), "each at most every five seconds")

	table.Answered(now, "http://b", report("beta", "x", "w"))
	table.Answered(now, "http://me", report("alpha", "me", "own"))
	table.Failed("http://a", Silent, "connection \x1b[31mrefused")
	hosts := table.Hosts()
	require.Equal(t, []string{"beta http://b answered w=running", "http://a http://a silent"}, shown(hosts), "the own answer is not shown")
	require.NotContains(t, hosts[1].Error, "\x1b")

	now = now.Add(AskEvery)
	require.Equal(t, []string{"http://b", "http://a"}, table.Due(now), "those that answered are asked first, this Stoker itself rarely")
	table.Failed("http://b", Invalid, "garbage")
	hosts = table.Hosts()
	require.Equal(t, []string{"beta http://b invalid w=unknown", "http://a http://a silent"}, shown(hosts), "the last workers, of which nothing current is known")
	require.Equal(t, time.Unix(1000, 0).UTC(), *hosts[0].Answered)
}

func TestTableOfAName(t *testing.T) {
	now := time.Unix(1000, 0)
	table := NewTable("me", nil)
	resolved := func(addresses ...string) { table.Resolved(now, "tasks.stoker:8080", addresses, nil) }
	table.Resolved(now, "tasks.stoker:8080", nil, errors.New("server misbehaving"))
	require.Equal(t, []string{"tasks.stoker:8080 tasks.stoker:8080 unresolved"}, shown(table.Hosts()))
	resolved()
	require.Equal(t, []string{"tasks.stoker:8080 tasks.stoker:8080 unresolved"}, shown(table.Hosts()))
	resolved("http://1", "http://2", "http://3")
	table.Answered(now, "http://1", report("one", "x", "w"))
	table.Answered(now, "http://2", report("two", "y", "v"))

	now = now.Add(time.Minute)
	resolved("http://1", "http://4")
	require.Equal(t, []string{"http://4 http://4 asking", "one http://1 answered w=running", "two http://2 gone v=unknown"}, shown(table.Hosts()),
		"a host that went is shown, one that never answered is not")
	table.Resolved(now, "tasks.stoker:8080", nil, errors.New("timeout"))
	require.Equal(t, Answered, table.Hosts()[1].State, "a name server that is down ends no peer")
	require.NotContains(t, table.Due(now), "http://2")

	resolved("http://1", "http://4")
	table.Answered(now, "http://4", report("two", "z", "u"))
	require.Equal(t, []string{"one http://1 answered w=running", "two http://4 answered u=running"}, shown(table.Hosts()), "the same host at another address")

	resolved("http://4")
	now = now.Add(keepGone + 1)
	resolved("http://4")
	require.Equal(t, []string{"two http://4 answered u=running"}, shown(table.Hosts()), "after a day it is forgotten")
}

func TestTableIsBounded(t *testing.T) {
	var many []string
	for n := range 3 * MaxPeers {
		many = append(many, fmt.Sprintf("http://10.0.0.%03d", n))
	}
	now := time.Unix(1000, 0)
	table := NewTable("me", nil)
	table.Resolved(now, "n:1", many, nil)
	require.Len(t, table.Due(now), MaxPeers)
	require.Len(t, table.Hosts(), MaxPeers+1)
	for round := range 5 { // addresses that come and go without end
		for n := range MaxPeers {
			many[n] = fmt.Sprintf("http://10.%d.0.%03d", round, n)
		}
		table.Resolved(now, "n:1", many[:MaxPeers], nil)
		for n, address := range many[:MaxPeers] {
			table.Answered(now, address, report(fmt.Sprint(round, n), "x"))
		}
	}
	require.LessOrEqual(t, len(table.Hosts()), 2*MaxPeers)
}

// No answer makes the table larger than its bounds, or has something in it that a terminal takes for a command.
func TestReadIsHarmless(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.Just("\x1b]0;x\x07"), rapid.Just(strings.Repeat("é", 1000)), rapid.Just("\u202etxt"))
		w := map[string]any{}
		for _, field := range []string{"key", "state", "status", "health", "held", "fault", "reason", "heal"} {
			w[field] = text.Draw(t, field)
		}
		w["cpus"], w["attempts"] = rapid.Float64Range(-1e300, 1e300).Draw(t, "cpus"), rapid.Int32().Draw(t, "attempts")
		w["problems"] = []map[string]string{{"label": text.Draw(t, "label")}, {}, {}, {}, {}}
		answer, err := json.Marshal(map[string]any{"engine": map[string]any{"version": text.Draw(t, "version")}, "host": text.Draw(t, "host"), "workers": []any{w}})
		require.NoError(t, err)
		r, err := Read(strings.NewReader(string(answer)))
		require.NoError(t, err)
		require.Len(t, r.Workers, 1)
		require.LessOrEqual(t, len(r.Workers[0].Problems), maxProblems)
		require.LessOrEqual(t, len(r.Workers[0].Key), mostName)
		require.GreaterOrEqual(t, r.Workers[0].CPUs, 0.0)
		require.LessOrEqual(t, r.Workers[0].CPUs, 1e9)
		printed := fmt.Sprintf("%+v", r)
		require.NotContains(t, printed, "\x1b")
		require.NotContains(t, printed, "\u202e")
	})
}

func TestRead(t *testing.T) {
	for name, c := range map[string]struct {
		answer string
		ok     bool
	}{
		"older: without version and instance": {`{"host":"a","engine":{"connected":true},"workers":[{"key":"w","state":"running"}]}`, true},
		"newer: fields and words of its own":  {`{"new":{"a":[1,2]},"engine":{"x":1},"workers":[{"key":"w","state":"new-state","new":[{}]}]}`, true},
		"workers null":                        {`{"engine":{},"workers":null}`, false},
		"no workers":                          {`{"engine":{}}`, false},
		"a failure":                           {`{"error":"not found"}`, false},
		"a number where a text is":            {`{"engine":{},"workers":[{"key":1}]}`, false},
		"cut off":                             {`{"engine":{},"workers":[{"key":"w"},`, false},
		"empty":                               {``, false},
		"a list":                              {`[]`, false},
		"a page":                              {`<!doctype html>`, false},
		"nested too deep":                     {`{"x":` + strings.Repeat("[", 20000), false},
	} {
		t.Run(name, func(t *testing.T) {
			r, err := Read(strings.NewReader(c.answer))
			if !c.ok {
				require.ErrorIs(t, err, errNoStoker)
				return
			}
			require.NoError(t, err)
			require.Equal(t, "w", r.Workers[0].Key)
		})
	}
	r, err := Read(strings.NewReader(`{"engine":{},"workers":[` + strings.Repeat(`{"key":"w"},`, MaxWorkers+5) + `{}]}`))
	require.NoError(t, err)
	require.Len(t, r.Workers, MaxWorkers)
	require.Equal(t, 6, r.More)
	_, err = Read(strings.NewReader(`{"engine":{},"workers":[` + strings.Repeat(`{},`, mostCounted+1) + `{}]}`))
	require.ErrorIs(t, err, errTooMany)
}
