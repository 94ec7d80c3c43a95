package page

import (
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
)

// hostile is what a container may be called and may print.
const hostile = "<img src=x onerror=alert(1)>\u202egpj.exe\"'`{{.}}"

// world is a fleet that tests change, and its server: the page, and events in the form of the real ones.
type world struct {
	mu        sync.Mutex
	view      fleet.View
	notes     []worker.Event
	asked     []uint64 // what events were asked after
	listeners map[chan string]bool
	away      bool
}

func (w *world) options() Options {
	return Options{View: w.picture, Events: w.events, Version: "1.2.3", Now: time.Now}
}

func (w *world) picture() fleet.View {
	w.mu.Lock()
	defer w.mu.Unlock()
	v := w.view
	v.Workers = slices.Clone(v.Workers)
	return v
}

func (w *world) events(after uint64) []history.Entry {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, after)
	return entriesOf(w.notes, after)
}

// entriesOf numbers the events from 1 and returns those after an ID.
func entriesOf(events []worker.Event, after uint64) []history.Entry {
	var entries []history.Entry
	for n, e := range events[min(int(after), len(events)):] {
		entries = append(entries, history.Entry{ID: after + uint64(n) + 1, Event: e})
	}
	return entries
}

// pastOf is the past that the events describe.
func pastOf(events []worker.Event) *past {
	p := newPast()
	for _, e := range entriesOf(events, 0) {
		p.add(e)
	}
	return p
}

// happen changes the world and notifies the listeners, as the server does.
func (w *world) happen(change func(*fleet.View), notes ...worker.Event) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change(&w.view)
	w.notes = append(w.notes, notes...)
	for c := range w.listeners {
		for _, n := range notes {
			c <- fmt.Sprintf("event: %s\ndata: {}\n\n", n.Kind)
		}
		c <- "event: view\ndata: {}\n\n"
	}
}

func (w *world) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("/", New(w.options()))
	mux.HandleFunc("GET /api/v1/events", w.stream)
	return http.HandlerFunc(func(out http.ResponseWriter, r *http.Request) {
		w.mu.Lock()
		away := w.away
		w.mu.Unlock()
		if away {
			http.Error(out, "away", http.StatusServiceUnavailable)
			return
		}
		mux.ServeHTTP(out, r)
	})
}

// cut makes the server fail and ends its streams, or brings it back.
func (w *world) cut(away bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away = away
	for c := range w.listeners {
		close(c)
		delete(w.listeners, c)
	}
}

func (w *world) stream(out http.ResponseWriter, r *http.Request) {
	events := make(chan string, 100)
	w.mu.Lock()
	if w.listeners == nil {
		w.listeners = map[chan string]bool{}
	}
	w.listeners[events] = true
	w.mu.Unlock()
	defer func() {
		w.mu.Lock()
		defer w.mu.Unlock()
		delete(w.listeners, events)
	}()
	out.Header().Set("Content-Type", "text/event-stream")
	flush := http.NewResponseController(out)
	_, _ = fmt.Fprint(out, ": here\n\n")
	_ = flush.Flush()
	for {
		select {
		case event, more := <-events:
			if !more {
				return
			}
			_, _ = fmt.Fprint(out, event)
			_ = flush.Flush()
		case <-r.Context().Done():
			return
		}
	}
}

func engineUp(now time.Time) fleet.EngineLink {
	return fleet.EngineLink{Connected: true, Since: now.Add(-31 * time.Hour), Synced: now, Engine: worker.Engine{Version: "20.10.24", APIVersion: "1.41", CPUs: 8}}
}

func runs(now time.Time, key string, since time.Duration, use, throttled float64) fleet.WorkerView {
	return fleet.WorkerView{
		Key: worker.Key(key),
		ID:  "4f8d2c1b9a7e6d5c4b3a",
		ContainerView: fleet.ContainerView{
			StartedAt: now.Add(-since),
			Status:    worker.StatusRunning,
			Health:    worker.HealthHealthy,
			CPUs:      0.5,
			Share:     worker.Share{At: now.Add(-4 * time.Second), CPUs: use, Throttled: throttled},
		},
		HealView: fleet.HealView{State: fleet.StateRunning, Expected: true},
	}
}

// healOf is the two notes of a heal that worked.
func healOf(key string, at time.Time, took time.Duration, n worker.Event) []worker.Event {
	n.Kind, n.Key, n.At, n.Attempt = worker.EventFault, worker.Key(key), at, max(1, n.Attempt)
	ended := n
	ended.Kind, ended.At, ended.Duration = worker.EventHealed, at.Add(took), took
	return []worker.Event{n, ended}
}

func crash(code int) worker.Event {
	return worker.Event{HealDetails: worker.HealDetails{Fault: worker.FaultExited, Intent: worker.IntentNone, Heal: worker.HealStart, ExitCode: code}, Reason: worker.ReasonCrashed}
}

func sick(output string) worker.Event {
	return worker.Event{HealDetails: worker.HealDetails{Fault: worker.FaultUnhealthy, Intent: worker.IntentNone, Heal: worker.HealRestart, Output: output}, Reason: worker.ReasonProbeFailed}
}

// demo is a small fleet on which something happened.
func demo(now time.Time) *world {
	ago := func(d time.Duration) time.Time { return now.Add(-d) }
	mixed := runs(now, "render-2", 9*time.Hour, 0.49, 0.71)
	mixed.State, mixed.Health, mixed.Held, mixed.Fault = fleet.StateHeld, worker.HealthUnhealthy, worker.HeldStarved, worker.FaultUnhealthy
	mixed.Reason, mixed.Heal, mixed.NextAt = worker.ReasonStarved, worker.HealRestart, now.Add(95*time.Second)
	waiting := runs(now, "transcode-3", 0, 0, 0)
	waiting.State, waiting.Status, waiting.Health, waiting.Attempts = fleet.StateWaiting, worker.StatusExited, worker.HealthNone, 3
	waiting.Heal, waiting.Fault, waiting.Reason, waiting.NextAt = worker.HealStart, worker.FaultOOM, worker.ReasonOutOfMemory, now.Add(42*time.Second)
	waiting.Share = worker.Share{}
	stopped := runs(now, "index-nightly", 0, 0, 0)
	stopped.State, stopped.Status, stopped.Health, stopped.Held, stopped.Expected = fleet.StateHeld, worker.StatusExited, worker.HealthNone, worker.HeldOperator, false
	stopped.Share = worker.Share{}
	labels := runs(now, "thumbnails", 52*time.Hour, 0.11, 0)
	labels.State, labels.Held = fleet.StateHeld, worker.HeldBadLabels
	labels.Problems = []policy.Problem{{Label: "stoker.on-exti", Value: "always", Message: "no such label", Nearest: "stoker.on-exit"}}
	free := runs(now, "sum-of-squares", 130*time.Hour, 1.93, 0)
	free.CPUs, free.Health = 0, worker.HealthNone
	free.Probe = worker.ProbeView{
		Target: policy.ProbeTarget{Kind: policy.ProbeHTTP, Port: "8000", Path: "/health"}, Status: worker.HealthHealthy, Since: ago(130 * time.Hour), Address: "172.18.0.7:8000",
	}
	w := &world{view: fleet.View{At: now, Engine: engineUp(now), Workers: []fleet.WorkerView{
		runs(now, "hash-search-1", 74*time.Hour, 0.42, 0.08), runs(now, "hash-search-2", 74*time.Hour, 0.5, 0.22), runs(now, "hash-search-3", 3*time.Hour, 0.47, 0.12),
		stopped, runs(now, "render-1", 26*time.Hour, 0.38, 0.02), mixed, free, labels,
		runs(now, "transcode-1", 11*time.Minute, 0.31, 0.04), runs(now, "transcode-2", 74*time.Hour, 0.44, 0.09), waiting, runs(now, "verify", 20*time.Hour, 0.27, 0),
	}}}
	for _, shown := range w.view.Workers {
		w.notes = append(w.notes, worker.Event{At: ago(31 * time.Hour), Kind: worker.EventManaged, Key: shown.Key})
	}
	record := func(notes ...worker.Event) { w.notes = append(w.notes, notes...) }
	record(healOf("render-1", ago(26*time.Hour), 5*time.Second, crash(137))...)
	record(healOf("verify", ago(20*time.Hour), 9*time.Second, sick("connect: connection refused\nprobe gave up after 3 tries"))...)
	record(worker.Event{At: ago(15 * time.Hour), Kind: worker.EventHeld, Key: "index-nightly", Reason: worker.HeldOperator})
	record(healOf("render-2", ago(9*time.Hour+40*time.Minute), 40*time.Minute, sick("queue stalled for 300 s"))...)
	record(worker.Event{At: ago(7 * time.Hour), Kind: worker.EventEngineDisconnected}, worker.Event{At: ago(7*time.Hour - 25*time.Minute), Kind: worker.EventEngineConnected})
	record(healOf("hash-search-3", ago(3*time.Hour), 2300*time.Millisecond, crash(2))...)
	record(worker.Event{At: ago(50 * time.Minute), Kind: worker.EventQuota, Key: "transcode-1", Reason: worker.ReasonQuotaMismatch, QuotaChange: worker.QuotaChange{From: 0, CPUs: 0.5}})
	for n, back := range []time.Duration{34 * time.Minute, 29 * time.Minute, 11 * time.Minute} {
		failedOnce := crash(1)
		failedOnce.Attempt = n + 1
		record(healOf("transcode-1", ago(back), time.Duration(n+1)*time.Second, failedOnce)...)
	}
	for n, back := range []time.Duration{9 * time.Minute, 6 * time.Minute} {
		record(worker.Event{At: ago(back), Kind: worker.EventFault, Key: "transcode-3", HealDetails: worker.HealDetails{Fault: worker.FaultOOM, Intent: worker.IntentNone, Heal: worker.HealStart, Attempt: n + 1, ExitCode: 137, Delay: time.Duration(n) * time.Minute},
			Reason: worker.ReasonOutOfMemory})
		record(worker.Event{At: ago(back - 80*time.Second), Kind: worker.EventHealFailed, Key: "transcode-3", HealDetails: worker.HealDetails{Fault: worker.FaultOOM, Heal: worker.HealStart, Attempt: n + 1, ExitCode: 137, Duration: 80 * time.Second},
			Reason: worker.ReasonOutOfMemory})
	}
	record(worker.Event{At: ago(3 * time.Minute), Kind: worker.EventFault, Key: "transcode-3", HealDetails: worker.HealDetails{Fault: worker.FaultOOM, Intent: worker.IntentNone, Heal: worker.HealStart, Attempt: 3, ExitCode: 137, Delay: 222 * time.Second},
		Reason: worker.ReasonOutOfMemory})
	starved := sick("Get \"http://127.0.0.1:8081/health\": context deadline exceeded")
	starved.At, starved.Key, starved.Kind, starved.Attempt, starved.Delay, starved.Reason = ago(25*time.Second), "render-2", worker.EventFault, 1, 3*time.Second, worker.ReasonProbeTimedOut
	record(starved)
	starved.At, starved.Kind, starved.Delay, starved.Reason = ago(22*time.Second), worker.EventHeld, 117*time.Second, worker.HeldStarved
	record(starved)
	return w
}

// crowd is many workers, some of them with trouble.
func crowd(now time.Time, many int) *world {
	w := &world{view: fleet.View{At: now, Engine: engineUp(now)}}
	for n := range many {
		one := runs(now, fmt.Sprintf("batch-worker-%03d", n), time.Duration(n)*time.Minute, 0.01*float64(n%50), 0.01*float64(n%70))
		if n%25 == 0 {
			one.State, one.Health = fleet.StateUnhealthy, worker.HealthUnhealthy
		}
		w.view.Workers = append(w.view.Workers, one)
		w.notes = append(w.notes, worker.Event{At: now.Add(-30 * time.Hour), Kind: worker.EventManaged, Key: one.Key})
	}
	for n := range many * 6 {
		key := fmt.Sprintf("batch-worker-%03d", n*7%many)
		w.notes = append(w.notes, healOf(key, now.Add(-24*time.Hour+time.Duration(n)*24*time.Hour/time.Duration(many*6)), 3*time.Second, sick(strings.Repeat("probe failed ", 40)))...)
	}
	return w
}
