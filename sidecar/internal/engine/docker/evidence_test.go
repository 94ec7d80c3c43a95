package docker

import (
	"encoding/binary"
	"io"
	"net/http"
	"strconv"
	"strings"
	"testing"
	"testing/iotest"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/test/dockertest"
)

func TestBoundedText(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		head, tail int
		text, want string
	}{
		"short":              {100, 100, "abc", "abc"},
		"as long as it goes": {100, 100, strings.Repeat("x", 200), strings.Repeat("x", 200)},
		"the middle is left out": {
			100, 100, strings.Repeat("a", 1000) + strings.Repeat("b", 1000),
			strings.Repeat("a", 76) + "\n… 1848 bytes are left out …\n" + strings.Repeat("b", 76),
		},
		"the beginning only": {100, 0, strings.Repeat("a", 1000), strings.Repeat("a", 52) + "\n… 948 bytes are left out …\n"},
		"not text":           {100, 100, "a\xff\xfeb", "a?b"},
		"nothing":            {100, 100, "", ""},
		"no room":            {10, 0, strings.Repeat("a", 1000), "\n… 1000 bytes are left out …\n"},
	} {
		for piece := range []int{0, 1} {
			b := &boundedText{head: c.head, tail: c.tail}
			in := io.Reader(strings.NewReader(c.text))
			if piece == 1 {
				in = iotest.OneByteReader(in)
			}
			_, err := io.Copy(b, in)
			require.NoError(t, err)
			require.Equal(t, c.want, b.String(), name)
			require.LessOrEqual(t, len(b.last), 2*c.tail+1, "memory")
			require.LessOrEqual(t, len(b.String()), max(c.head+c.tail, leftOut), name)
		}
	}
}

func TestLastLines(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		tail, lines int
		text, want  string
	}{
		{100, 2, "a\nb\nc\n", "b\nc"},
		{100, 5, "a\nb\nc", "a\nb\nc"},
		{4, 5, "aaaa\nb\nc\n", "c"}, // b may have been cut
		{5, 5, "aaaa\nb\nc\n", "b\nc"},
		{5, 5, "aaaaaaaaaa", "aaaaa"},
		{100, 5, "", ""},
	} {
		b := &boundedText{tail: c.tail}
		_, _ = io.WriteString(b, c.text)
		require.Equal(t, c.want, b.lastLines(c.lines), "%q", c.text)
	}
}

func framed(kind byte, text string) string {
	header := [8]byte{kind}
	binary.BigEndian.PutUint32(header[4:], uint32(len(text)))
	return string(header[:]) + text
}

func TestDemultiplex(t *testing.T) {
	t.Parallel()
	for want, sent := range map[string]string{
		"":               "",
		"a terminal's":   "a terminal's",
		"out and err":    framed(1, "out and ") + framed(2, "err"),
		"cut":            framed(1, "cut off")[:11],
		"short":          "short",
		"out then noise": framed(1, "out then ") + "noise",
		"forged":         "\x01\x00\x00\x00\xff\xff\xff\xffforged", // four gigabytes are announced, and none is kept for them
	} {
		b := &boundedText{head: 1000}
		require.NoError(t, demultiplex(b, strings.NewReader(sent)))
		require.Equal(t, want, b.String())
	}
	b := &boundedText{head: 1000}
	require.Error(t, demultiplex(b, iotest.TimeoutReader(strings.NewReader(framed(1, "abc")+framed(1, "def")))))
}

func FuzzDemultiplex(f *testing.F) {
	f.Add([]byte(framed(1, "out") + framed(2, "err")))
	f.Add([]byte("\x01\x00\x00\x00\xff\xff\xff\xff"))
	f.Fuzz(func(t *testing.T, sent []byte) {
		b := &boundedText{head: 64, tail: 64}
		if err := demultiplex(b, strings.NewReader(string(sent))); err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{b.String(), b.lastLines(5)} {
			if len(text) > 128 || !utf8.ValidString(text) {
				t.Fatalf("%q", text)
			}
		}
	})
}

// served is a fake engine with a worker, behind a socket, because output is streamed.
func served(t *testing.T) (*Client, *dockertest.Server, worker.Action) {
	t.Helper()
	s := dockertest.NewServer(dockertest.Config{Seed: 1})
	t.Cleanup(s.Close)
	c, err := New(Options{Host: dockertest.Serve(t, s)})
	require.NoError(t, err)
	s.With(func(w *dockertest.World) {
		w.Operator().Run(dockertest.Spec{Name: "w", CPUs: 0.5, Health: &dockertest.Healthcheck{Interval: 20 * time.Millisecond}})
	})
	a := worker.Action{Verb: worker.Collect, Key: "w", Deadline: time.Minute}
	require.Eventually(t, func() bool {
		out := c.Do(t.Context(), worker.Action{Verb: worker.Inspect, Incarnation: worker.Incarnation{ID: "w"}, Deadline: time.Minute})
		if out.Snapshot == nil || out.Snapshot.Status != worker.StatusRunning || len(out.Snapshot.Probes) == 0 {
			return false
		}
		a.Incarnation = out.Snapshot.Incarnation
		return true
	}, 10*time.Second, 5*time.Millisecond)
	return c, s, a
}

func TestCollect(t *testing.T) {
	t.Parallel()
	c, _, a := served(t)
	a.Evidence = &worker.EvidenceRequest{HealID: 7, Keep: true}
	out := c.Do(t.Context(), a)
	require.Equal(t, worker.Done, out.Result, out.Err)
	require.Nil(t, out.Snapshot)
	e := out.Evidence
	require.NotEmpty(t, e.Health)
	require.Equal(t, "PID PPID STAT ELAPSED TIME COMMAND\n4711 4690 Ssl 01:00 00:00:01 worker\n", e.Processes)
	require.Nil(t, e.Command)
	require.Len(t, e.Missing, 1, "the fake engine has no statistics")
	require.Contains(t, e.Missing[0], "memory and CPU: ")

	a.Incarnation.StartedAt = a.Incarnation.StartedAt.Add(-time.Second)
	out = c.Do(t.Context(), a)
	require.Equal(t, worker.Refused, out.Result, "another life")
	require.Nil(t, out.Evidence)
	a.Incarnation.ID = strings.Repeat("0", 64)
	out = c.Do(t.Context(), a)
	require.True(t, out.Missing)
}

func TestCommands(t *testing.T) {
	t.Parallel()
	code := func(n int) *int { return &n }
	for name, tt := range map[string]struct {
		command  []string
		limit    time.Duration
		code     *int
		timedOut bool
		output   string
	}{
		"ends":                   {[]string{dockertest.ExecExit, "0"}, time.Minute, code(0), false, "exits with 0\n"},
		"fails":                  {[]string{dockertest.ExecExit, "3"}, time.Minute, code(3), false, "exits with 3\n"},
		"no such program":        {[]string{"/bin/sh", "-c", "x"}, time.Minute, code(126), false, "no such file or directory"},
		"hangs":                  {[]string{dockertest.ExecHang}, 100 * time.Millisecond, nil, true, ""},
		"forks":                  {[]string{dockertest.ExecFork}, time.Minute, code(0), false, "forked\n"},
		"prints a hundred MB":    {[]string{dockertest.ExecFlood, strconv.Itoa(100 << 20)}, time.Minute, code(0), false, "bytes are left out"},
		"prints without an end":  {[]string{dockertest.ExecFlood, strconv.FormatInt(1<<40, 10)}, 100 * time.Millisecond, nil, true, "bytes are left out"},
		"ends the worker itself": {[]string{dockertest.ExecWorker, "signal", "QUIT"}, time.Minute, code(0), false, "sent\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, _, a := served(t)
			a.Evidence = &worker.EvidenceRequest{Command: tt.command, Limit: tt.limit}
			began := time.Now()
			out := c.Do(t.Context(), a)
			require.Equal(t, worker.Done, out.Result, out.Err)
			e := out.Evidence.Command
			require.Equal(t, tt.code, e.ExitCode)
			require.Equal(t, tt.timedOut, e.TimedOut)
			require.Contains(t, e.Output, tt.output)
			require.LessOrEqual(t, len(e.Output), worker.MaxCommandOutput)
			require.Empty(t, e.Err)
			require.Less(t, time.Since(began), 30*time.Second)
			require.Empty(t, out.Evidence.Processes, "only the command was asked for")
		})
	}
}

// A command ends with its worker, and at once when its context is cancelled.
func TestCommandOfAWorkerThatDies(t *testing.T) {
	t.Parallel()
	c, s, a := served(t)
	a.Evidence = &worker.EvidenceRequest{Command: []string{dockertest.ExecHang}, Limit: time.Hour}
	a.Deadline = time.Hour
	outs := make(chan worker.Outcome, 1)
	go func() { outs <- c.Do(t.Context(), a) }()
	time.AfterFunc(100*time.Millisecond, func() { s.With(func(w *dockertest.World) { w.Exit("w", 1) }) })
	select {
	case out := <-outs:
		require.False(t, out.Evidence.Command.TimedOut)
	case <-time.After(20 * time.Second):
		require.Fail(t, "it waits for a command in a container that is down")
	}
}

func TestReadLogs(t *testing.T) {
	t.Parallel()
	c, s, a := served(t)
	a.Verb, a.Evidence = worker.ReadLogs, &worker.EvidenceRequest{ExitCode: 5}
	s.With(func(w *dockertest.World) { w.Exit("w", 5) })
	out := c.Do(t.Context(), a)
	require.Equal(t, worker.Done, out.Result, out.Err)
	require.Equal(t, "life of w begins", out.Evidence.Logs)
	require.Equal(t, 5, *out.Evidence.ExitCode)
	a.Evidence.Until = time.Now().Add(-time.Hour)
	require.Empty(t, c.Do(t.Context(), a).Evidence.Logs, "what came later is not of that life")
	a.Incarnation.ID = "gone"
	out = c.Do(t.Context(), a)
	require.True(t, out.Missing)
	require.Nil(t, out.Evidence)
}

// A refused call costs the evidence and nothing else.
func TestEvidenceBehindAProxy(t *testing.T) {
	t.Parallel()
	s := dockertest.NewServer(dockertest.Config{Seed: 1})
	t.Cleanup(s.Close)
	inner := s.Transport(dockertest.ByStoker)
	reported := make(chan string, 10)
	transport := roundTrip(func(r *http.Request) (*http.Response, error) {
		for _, denied := range []string{"/top", "/exec", "/logs", "/stats"} {
			if strings.HasSuffix(r.URL.Path, denied) {
				refused := reply(http.StatusForbidden, `{"message":"no"}`)
				refused.Header.Del("Api-Version")
				return refused, nil
			}
		}
		return inner.RoundTrip(r)
	})
	c, err := New(Options{Transport: transport, OnDenied: func(text string, necessary bool) {
		require.False(t, necessary)
		reported <- text
	}})
	require.NoError(t, err)
	s.With(func(w *dockertest.World) { w.Operator().Run(dockertest.Spec{Name: "w"}) })
	a := worker.Action{Verb: worker.Inspect, Incarnation: worker.Incarnation{ID: "w"}, Deadline: time.Minute}
	require.Eventually(t, func() bool {
		out := c.Do(t.Context(), a)
		if out.Snapshot != nil {
			a.Incarnation = out.Snapshot.Incarnation
		}
		return out.Snapshot != nil && out.Snapshot.Status == worker.StatusRunning
	}, 10*time.Second, 5*time.Millisecond)
	a.Verb, a.Evidence = worker.Collect, &worker.EvidenceRequest{Keep: true, Command: []string{"x"}, Limit: time.Second}
	for range 2 {
		out := c.Do(t.Context(), a)
		require.Equal(t, worker.Done, out.Result)
		require.Len(t, out.Evidence.Missing, 2)
		require.Contains(t, out.Evidence.Command.Err, "answers 403")
		require.LessOrEqual(t, len(out.Evidence.Command.Err), maxMissing)
	}
	a.Verb = worker.ReadLogs
	require.Len(t, c.Do(t.Context(), a).Evidence.Missing, 1)
	require.Len(t, reported, 4, "each once")
}

// Secrets are in arguments and environments: neither is requested.
func TestProcessesHaveNoArguments(t *testing.T) {
	t.Parallel()
	for _, columns := range []string{psColumns, podmanColumns} {
		for _, column := range strings.Split(columns, ",") {
			require.Contains(t, []string{"pid", "ppid", "stat", "state", "etime", "time", "comm"}, column)
		}
	}
}

func TestHealthEvidenceIsBounded(t *testing.T) {
	t.Parallel()
	long := make([]worker.Probe, 5)
	for n := range long {
		long[n].Output = strings.Repeat("x", 4096)
	}
	total := 0
	for _, h := range healthEvidence(long) {
		require.Greater(t, len(h.Output), 300)
		total += len(h.Output)
	}
	require.LessOrEqual(t, total, worker.MaxEvidenceHealth)
	long[4].Output, long[0].Output = strings.Repeat("y", 2000), "short"
	kept := healthEvidence([]worker.Probe{long[0], long[4]})
	require.Equal(t, long[4].Output, kept[1].Output, "what the others leave")
}
