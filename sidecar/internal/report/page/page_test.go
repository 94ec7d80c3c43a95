package page

import (
	"compress/gzip"
	"io"
	"math"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
)

func get(t testing.TB, h http.Handler, path string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, path, nil)
	for n := 0; n+1 < len(header); n += 2 {
		r.Header.Set(header[n], header[n+1])
	}
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	return w
}

func TestAnswers(t *testing.T) {
	t.Parallel()
	h := New(demo(time.Now()).options())
	for path, code := range map[string]int{
		"/": 200, "/?worker=verify": 200, "/?fragment=workers": 200, "/?fragment=history": 200, "/?worker=verify&fragment=detail": 200,
		"/?worker=nobody": 404, "/?worker=": 404, "/?fragment=detail": 404, "/?fragment=workers&worker=verify": 404, "/?fragment=rm": 404,
		"/elsewhere": 404, "/assets/page.css": 404, "/assets/..%2fpage.go": 404, "/assets/": 404,
	} {
		w := get(t, h, path)
		require.Equal(t, code, w.Code, path)
		if code == http.StatusOK {
			require.Equal(t, "text/html; charset=utf-8", w.Header().Get("Content-Type"))
			require.Equal(t, contentPolicy, w.Header().Get("Content-Security-Policy"))
			require.Equal(t, "no-store", w.Header().Get("Cache-Control"))
		}
	}
	post := httptest.NewRecorder()
	h.ServeHTTP(post, httptest.NewRequestWithContext(t.Context(), http.MethodPost, "/", nil))
	require.Equal(t, http.StatusMethodNotAllowed, post.Code)
}

// Whatever the page loads is its own, and nothing is written into it that the policy of content would refuse.
func TestNothingFromElsewhere(t *testing.T) {
	t.Parallel()
	h := New(demo(time.Now()).options())
	text := get(t, h, "/").Body.String() + get(t, h, "/?worker=verify").Body.String()
	require.NotRegexp(t, `(?i)(src|href)="(https?:)?//`, text)
	require.NotRegexp(t, `(?i)\sstyle=|\son[a-z]+=|<style|<script[^>]*>[^<]`, text)
	for _, match := range regexp.MustCompile(`(?:src|href)="(assets/[^"]+)"`).FindAllStringSubmatch(text, -1) {
		w := get(t, h, "/"+match[1])
		require.Equal(t, http.StatusOK, w.Code, match[1])
		require.Contains(t, w.Header().Get("Cache-Control"), "immutable")
		require.NotRegexp(t, `url\(\s*['"]?(https?:)?//|@import`, w.Body.String())
	}
}

func TestHostileIsText(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := &world{view: fleet.View{Engine: engineUp(now), Workers: []fleet.WorkerView{runs(now, hostile, time.Hour, 0.4, 0)}}}
	w.view.Workers[0].Problems = []policy.Problem{{Label: hostile, Value: hostile, Message: hostile, Nearest: "stoker.cpus"}}
	w.view.Workers[0].Scope = hostile
	w.view.Engine.Engine.Version = hostile
	bad := sick("</pre><script>alert(1)</script>\u202e")
	bad.Detail = hostile
	w.notes = healOf(hostile, now, time.Second, bad)
	h := New(w.options())
	for _, path := range []string{"/", "/?fragment=workers", "/?fragment=history"} {
		text := get(t, h, path).Body.String()
		require.NotContains(t, text, "<img", path)
		require.NotContains(t, text, "<script>alert", path)
		require.NotContains(t, text, "\u202e", path)
	}
	link := regexp.MustCompile(`<a href="(\?worker=[^"]+)"`).FindStringSubmatch(get(t, h, "/").Body.String())
	require.NotNil(t, link)
	one := get(t, h, "/"+link[1])
	require.Equal(t, http.StatusOK, one.Code, "the worker's own link finds it")
	require.NotContains(t, one.Body.String(), "<img")
}

// A worker that is gone is still found by its history; one of before the first look shows no made-up times.
func TestWorkersOfAllKinds(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := &world{view: fleet.View{Workers: []fleet.WorkerView{{Key: "remembered", HealView: fleet.HealView{State: fleet.StateUnknown}}}}}
	w.view.Workers = append(w.view.Workers, fleet.WorkerView{
		Key:      "leaky",
		HealView: fleet.HealView{State: fleet.StateRunning},
		Recycle:  worker.RecycleView{Fault: worker.FaultMemory, Stage: worker.RecycleWaitsForGroup},
	})
	w.notes = healOf("gone", now.Add(-time.Hour), time.Second, crash(1))
	h := New(w.options())
	require.Contains(t, get(t, h, "/?worker=gone").Body.String(), "no longer managed")
	text := get(t, h, "/").Body.String()
	require.Contains(t, text, "Not connected to the engine yet")
	require.Contains(t, text, "remembered")
	require.Contains(t, text, "memory, waits-for-group")
	require.NotContains(t, text, "0001")
	require.Contains(t, get(t, New((&world{}).options()), "/").Body.String(), "Nothing happened yet")
}

func TestCompression(t *testing.T) {
	t.Parallel()
	h := New(demo(time.Now()).options())
	for accepted, squashed := range map[string]bool{
		"gzip": true, "br, gzip": true, "gzip, deflate, br, zstd": true, "GZIP": true, "gzip;q=0": false, "gzip; q=0.0": false, "br": false, "": false, "x-gzip": false,
	} {
		w := get(t, h, "/", "Accept-Encoding", accepted)
		require.Equal(t, squashed, w.Header().Get("Content-Encoding") == "gzip", accepted)
		require.Equal(t, "Accept-Encoding", w.Header().Get("Vary"))
		if squashed {
			unpacked, err := gzip.NewReader(w.Body)
			require.NoError(t, err)
			text, err := io.ReadAll(unpacked)
			require.NoError(t, err)
			require.Contains(t, string(text), "</html>")
		}
	}
}

// 500 workers, each with heals and long outputs, stay below a megabyte.
func TestSize(t *testing.T) {
	t.Parallel()
	h := New(crowd(time.Now(), 500).options())
	size := get(t, h, "/").Body.Len()
	require.Less(t, size, 1_000_000)
	squashed := get(t, h, "/", "Accept-Encoding", "gzip").Body.Len()
	require.Less(t, squashed, 150_000)
	t.Logf("%d bytes, %d with gzip", size, squashed)
}

// The history is bounded, and so is what a worker prints into it.
func TestBounds(t *testing.T) {
	t.Parallel()
	now := time.Now()
	w := &world{view: fleet.View{Engine: engineUp(now)}}
	for n := range 3 * maxHistory {
		w.notes = append(w.notes, healOf("w", now.Add(-20*time.Hour+time.Duration(n)*time.Minute), time.Second, sick(strings.Repeat("é", 1<<20)))...)
	}
	h := New(w.options())
	require.Equal(t, maxHistory, strings.Count(get(t, h, "/?fragment=history").Body.String(), `class="when"`))
	text := get(t, h, "/?worker=w&fragment=detail").Body.String()
	require.Equal(t, maxWorkerHistory, strings.Count(text, `class="when"`))
	require.Contains(t, text, "more bytes")
	require.Less(t, len(text), 2*maxWorkerHistory*maxWorkerOutput)
}

// A request takes the events since the last one, and not all of them again.
func TestEventsAreTakenOnce(t *testing.T) {
	t.Parallel()
	w := demo(time.Now())
	h := New(w.options())
	get(t, h, "/")
	get(t, h, "/")
	w.happen(func(*fleet.View) {}, healOf("verify", time.Now(), time.Second, crash(3))...)
	require.Contains(t, get(t, h, "/").Body.String(), "exit code 3")
	all := uint64(len(w.notes))
	require.Equal(t, []uint64{0, all - 2, all - 2}, w.asked)
}

// The page forgets what the history has dropped.
func TestThePastIsBounded(t *testing.T) {
	t.Parallel()
	w := &world{view: fleet.View{Engine: engineUp(noon)}}
	s := &site{opts: w.options(), past: newPast()}
	for range 10 {
		w.notes = append(w.notes, slices.Repeat([]worker.Event{note(1, worker.EventQuota)}, maxPast/4)...)
		s.opts.Events = func(after uint64) []history.Entry { // a history of the last ones
			return entriesOf(w.notes, max(after, uint64(max(0, len(w.notes)-maxPast/2))))
		}
		s.update()
		require.LessOrEqual(t, s.past.count, maxPast)
		require.EqualValues(t, len(w.notes), s.past.last)
	}
}

// A row's rev changes with what it shows, and not with the time that goes by.
func TestRev(t *testing.T) {
	t.Parallel()
	w := runs(noon, "w", time.Hour, 0.4, 0)
	at := func(now time.Time, w fleet.WorkerView) string {
		return request{now: now, view: fleet.View{Engine: engineUp(noon)}, past: newPast()}.row(w).Rev
	}
	within := noon.Add(time.Minute)
	require.Equal(t, at(within, w), at(within.Add(10*time.Minute), w))
	for _, change := range []func(*fleet.WorkerView){
		func(w *fleet.WorkerView) { w.State = fleet.StateHealing },
		func(w *fleet.WorkerView) { w.Attempts++ },
		func(w *fleet.WorkerView) { w.Held = worker.HeldPaused },
		func(w *fleet.WorkerView) { w.Health = worker.HealthUnhealthy },
		func(w *fleet.WorkerView) { w.Share.CPUs = 0.41 },
		func(w *fleet.WorkerView) { w.CPUs = 1 },
		func(w *fleet.WorkerView) { w.NextAt = noon },
		func(w *fleet.WorkerView) { w.Boosted = true },
	} {
		other := w
		change(&other)
		require.NotEqual(t, at(within, w), at(within, other))
	}
}

// colours are the variables of the light and of the dark scheme.
func colours(t *testing.T) map[string]map[string]string {
	t.Helper()
	blocks := regexp.MustCompile(`(?s):root \{(.*?)\}`).FindAllStringSubmatch(string(read("page.css")), -1)
	require.Len(t, blocks, 2)
	schemes := map[string]map[string]string{"light": {}, "dark": {}}
	for n, name := range []string{"light", "dark"} {
		for _, v := range regexp.MustCompile(`--([a-z0-9-]+): (#[0-9a-f]{6})`).FindAllStringSubmatch(blocks[n][1], -1) {
			schemes[name][v[1]] = v[2]
		}
		require.Len(t, schemes[name], 26, "a colour is missing in one scheme")
	}
	return schemes
}

// luminance is relative, after WCAG 2.
func luminance(t *testing.T, colour string) float64 {
	t.Helper()
	sum := 0.0
	for n, weight := range []float64{0.2126, 0.7152, 0.0722} {
		part, err := strconv.ParseUint(colour[1+2*n:3+2*n], 16, 8)
		require.NoError(t, err, colour)
		c := float64(part) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}

func contrast(t *testing.T, a, b string) float64 {
	t.Helper()
	x, y := luminance(t, a), luminance(t, b)
	return (max(x, y) + 0.05) / (min(x, y) + 0.05)
}

func TestContrast(t *testing.T) {
	t.Parallel()
	for scheme, c := range colours(t) {
		for _, pair := range []string{
			"text bg", "text surface", "text hover", "muted bg", "muted surface", "muted hover", "accent bg", "accent surface", "accent hover",
			"bad-fg surface", "bad-fg hover", "warn-fg bg", "bg text", "ok-fg ok-bg", "busy-fg busy-bg", "warn-fg warn-bg", "bad-fg bad-bg", "idle-fg idle-bg",
		} {
			fore, back, _ := strings.Cut(pair, " ")
			require.GreaterOrEqual(t, contrast(t, c[fore], c[back]), 4.5, "%s on %s, %s", fore, back, scheme)
		}
	}
}

// The conditions of a timeline can be distinguished by lightness alone, and the bad ones from what they stand on.
func TestTimelineColours(t *testing.T) {
	t.Parallel()
	for scheme, c := range colours(t) {
		for n, one := range conditions() {
			for _, other := range conditions()[n+1:] {
				require.GreaterOrEqual(t, contrast(t, c["t-"+string(one)], c["t-"+string(other)]), 1.25, "%s and %s, %s", one, other, scheme)
			}
		}
		require.GreaterOrEqual(t, contrast(t, c["t-down"], c["surface"]), 3.0, scheme)
		require.GreaterOrEqual(t, contrast(t, c["t-healing"], c["surface"]), 3.0, scheme)
		require.GreaterOrEqual(t, contrast(t, c["t-unhealthy-2"], c["surface"]), 3.0, scheme)
	}
}

// An event costs what it changes, and a request what it shows.
func BenchmarkRequestAfterTenThousandEvents(b *testing.B) {
	w := crowd(time.Now(), 100)
	for len(w.notes) < 10000 {
		w.notes = append(w.notes, healOf("batch-worker-001", time.Now(), time.Second, crash(1))...)
	}
	s := &site{opts: w.options(), past: newPast()}
	s.content("page", nil)
	for b.Loop() {
		s.content("page", nil)
	}
}

func BenchmarkPage500(b *testing.B) {
	h := New(crowd(time.Now(), 500).options())
	for b.Loop() {
		get(b, h, "/", "Accept-Encoding", "gzip")
	}
}
