package page

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/chromedp"
	"github.com/chromedp/chromedp/kb"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/candidates"
	"stoker/sidecar/internal/core/fleet"
	"stoker/sidecar/internal/core/policy"
	"stoker/sidecar/internal/core/worker"
)

// TestBrowser shows the page to a real Chromium. All cases share one, each has a tab and a server of its own.
func TestBrowser(t *testing.T) {
	t.Parallel()
	browser := chromium(t)
	for name, check := range map[string]func(*testing.T, chrome){
		"first view":         firstView,
		"live heal":          liveHeal,
		"kept while live":    keptWhileLive,
		"lost and back":      lostAndBack,
		"no workers yet":     noWorkersYet,
		"hostile":            hostileText,
		"dark":               darkMode,
		"small screen":       smallScreen,
		"without javascript": withoutScript,
		"keyboard":           keyboard,
		"crowd":              fiveHundred,
		"accessibility":      accessibilityTree,
		"one worker":         oneWorker,
		"viewer's zone":      viewersZone,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			check(t, browser)
		})
	}
}

func rowOf(name string) string {
	return fmt.Sprintf(`[...document.querySelectorAll('#rows > tr:not(.more)')].find((r) => r.querySelector('a').textContent === %q)`, name)
}

func firstView(t *testing.T, browser chrome) {
	v := open(t, browser, demo(time.Now()), "/", scheme("light"))
	v.until(isLive)
	require.Equal(t, 12, ask[int](v, `document.querySelectorAll('#rows > tr').length`))
	require.Equal(t, "2 of 12 workers need attention, 1 being healed", ask[string](v, `document.querySelector('h1').textContent`))
	require.Equal(t, "2 of 12 workers need attention, 1 being healed – Stoker", ask[string](v, `document.title`))
	for name, words := range map[string][]string{
		"transcode-3":   {"waiting", "oom, out-of-memory", "start in", "3"},
		"render-2":      {"held", "starved", "unhealthy", "0.49 of 0.50", "71 %", "restart in"},
		"index-nightly": {"held", "stopped-by-operator"},
		"thumbnails":    {"bad-labels", `stoker.on-exti="always": no such label, probably stoker.on-exit`},
		"transcode-1":   {"running", "up 11 min", "3 healed"},
	} {
		text := ask[string](v, rowOf(name)+`.innerText`)
		for _, word := range words {
			require.Contains(t, text, word, name)
		}
	}
	require.Contains(t, ask[string](v, `document.querySelector('#history').innerText`), "exit code 137")
	v.keep("desktop-light", false)
	v.keep("desktop-light-whole", true)
	v.run(chromedp.Click(chromedp.CSS(`#rows .open`)))
	v.until(`document.querySelector('#rows .more .timeline svg')`)
	require.Empty(t, ask[[]string](v, cutOff))
	v.keep("desktop-light-open", false)
	v.clean()
}

func liveHeal(t *testing.T, browser chrome) {
	now := time.Now()
	w := &world{view: fleet.View{Engine: engineUp(now), Workers: []fleet.WorkerView{runs(now, "burner", time.Hour, 0.4, 0)}}}
	v := open(t, browser, w, "/")
	v.until(isLive)
	v.run(do(`window.same = true`))
	notes := healOf("burner", time.Now(), 2*time.Second, crash(9))
	w.happen(func(f *fleet.View) { f.Workers[0].State = fleet.StateHealing }, notes[0])
	v.until(rowOf("burner") + `.innerText.includes('healing')`)
	v.until(`document.querySelector('#history').innerText.includes('under way')`)
	require.Equal(t, "1 of 1 worker being healed", ask[string](v, `document.querySelector('h1').textContent`))
	w.happen(func(f *fleet.View) { f.Workers[0].State = fleet.StateRunning }, notes[1])
	v.until(`document.querySelector('#history').innerText.includes('healed')`)
	v.until(rowOf("burner") + `.innerText.includes('1 healed')`)
	history := ask[string](v, `document.querySelector('#history').innerText`)
	for _, word := range []string{"exited", "none", "start", "crashed", "2 s", "exit code 9"} {
		require.Contains(t, history, word)
	}
	require.True(t, ask[bool](v, `window.same === true`), "the page was loaded again")
	v.clean()
}

// keptWhileLive: what the viewer has open, chosen and focused stays through changes.
func keptWhileLive(t *testing.T, browser chrome) {
	w := demo(time.Now())
	v := open(t, browser, w, "/")
	v.until(isLive)
	v.run(
		do(rowOf("verify")+`.querySelector('.open').click()`),
		do(`document.querySelectorAll('#workers thead button')[0].click()`),
		chromedp.SendKeys(chromedp.CSS("#filter"), "er"),
	)
	v.until(`document.querySelector('.more .timeline details')`)
	v.run(
		do(`document.querySelector('.more .timeline details').open = true`),
		do(`document.querySelector('#history details').open = true; document.querySelector('#history details summary').focus()`),
		do(`scrollTo(0, 300)`),
	)
	w.happen(func(f *fleet.View) {
		f.Workers[len(f.Workers)-1].Attempts = 7 // verify
		f.Workers = append(f.Workers, runs(time.Now(), "another", time.Minute, 0.1, 0))
	}, healOf("verify", time.Now(), time.Second, crash(3))...)
	v.until(rowOf("another"))
	v.until(`document.querySelector('.more .history').innerText.includes('exit code 3')`)
	v.until(`document.querySelector('#history').innerText.includes('exit code 3')`)
	require.Contains(t, ask[string](v, rowOf("verify")+`.innerText`), "7")
	for _, kept := range []string{
		`document.querySelector('.more .timeline details').open`,
		`document.querySelector('.more').previousElementSibling === ` + rowOf("verify"),
		`document.activeElement.tagName === 'SUMMARY'`,
		`document.activeElement.parentNode.open`,
		`document.querySelector('#filter').value === 'er'`,
		`document.querySelector('#workers thead th').getAttribute('aria-sort') === 'ascending'`,
		`[...document.querySelectorAll('#rows > tr:not(.more):not([hidden])')].every((r) => r.innerText.includes('er'))`,
		`document.querySelector('#rows tr a').textContent === 'another'`,
		`scrollY >= 300`,
	} {
		require.True(t, ask[bool](v, kept), kept)
	}
	v.run(do(`document.querySelectorAll('#workers thead button')[1].click()`), do(rowOf("verify")+`.querySelector('.open').focus()`))
	w.happen(func(f *fleet.View) { f.Workers[11].State = fleet.StateExhausted })
	v.until(rowOf("verify") + ` === document.querySelector('#rows tr')`)
	require.True(t, ask[bool](v, rowOf("verify")+`.contains(document.activeElement)`), "the focus goes with its row")
	w.happen(func(f *fleet.View) { f.Workers = f.Workers[:11] })
	v.until(`!` + rowOf("verify") + ` && !document.querySelector('.more')`)
	v.clean()
}

func lostAndBack(t *testing.T, browser chrome) {
	now := time.Now()
	w := &world{view: fleet.View{Engine: engineUp(now)}}
	v := open(t, browser, w, "/")
	v.until(isLive)
	require.Contains(t, ask[string](v, `document.body.innerText`), "No workers yet")
	w.cut(true)
	v.until(`document.querySelector('#live').textContent === 'connection lost, retrying'`)
	w.happen(func(f *fleet.View) { f.Workers = []fleet.WorkerView{runs(now, "missed", time.Hour, 0.4, 0)} })
	w.cut(false)
	v.until(isLive)
	v.until(rowOf("missed"))
}

// noWorkersYet: what to do is readable at the width of a phone, whatever the containers are called, and goes once there is a worker.
func noWorkersYet(t *testing.T, browser chrome) {
	now := time.Now()
	advice := candidates.Advise(policy.Selector{}, "shop-stoker-1", []candidates.Container{
		{Name: "shop-cruncher-1", CPUs: 0.5}, {Name: strings.Repeat("long", 50), CPUs: 2}, {Name: "<b>near</b>", Labels: map[string]string{"stoker.on-exit": "never"}},
	})
	w := &world{view: fleet.View{Engine: engineUp(now), Candidates: &advice}}
	v := open(t, browser, w, "/", phone(360))
	v.until(isLive)
	for _, text := range []string{"shop-cruncher-1 (0.5)", "<b>near</b>: it has labels of Stoker", "docker exec shop-stoker-1 /stoker check", "labels: [stoker.enable=true]", "STOKER_SELECT=quota"} {
		require.Contains(t, ask[string](v, `document.querySelector('.advice').innerText`), text)
	}
	require.LessOrEqual(t, ask[int](v, `document.documentElement.scrollWidth`), 360)
	v.keep("phone-no-workers", false)
	w.happen(func(f *fleet.View) {
		f.Candidates, f.Workers = nil, []fleet.WorkerView{runs(now, "first", time.Hour, 0.4, 0)}
	})
	v.until(rowOf("first") + ` && !document.querySelector('.advice')`)
	v.clean()
}

func hostileText(t *testing.T, browser chrome) {
	now := time.Now()
	output := "first line\n" + strings.Repeat("<script>alert(2)</script>\u202e\x1b[31m ", 140)
	w := &world{view: fleet.View{Engine: engineUp(now), Workers: []fleet.WorkerView{runs(now, hostile, time.Hour, 0.4, 0)}}}
	w.notes = healOf(hostile, now.Add(-time.Hour), time.Second, sick(output))
	v := open(t, browser, w, "/")
	v.until(isLive)
	shownAs := strings.ReplaceAll(hostile, "\u202e", "\uFFFD")
	require.Equal(t, shownAs, ask[string](v, `document.querySelector('#rows a').textContent`))
	v.run(do(`document.querySelector('#history details').open = true`), chromedp.Click(chromedp.CSS(`#rows .open`)))
	v.until(`document.querySelector('.more .history pre')`)
	text := ask[string](v, `document.querySelector('.more .history pre').textContent`)
	require.Greater(t, len(text), 4900)
	require.Contains(t, text, "<script>alert(2)</script>\uFFFD\uFFFD[31m")
	require.Zero(t, ask[int](v, `document.querySelectorAll('img, main script').length`))
	require.True(t, ask[bool](v, `document.documentElement.scrollWidth <= innerWidth`))
	w.happen(func(f *fleet.View) { f.Workers[0].Attempts = 4 })
	v.until(rowOf(shownAs) + `.innerText.includes('4')`)
	v.keep("hostile", false)
	v.run(chromedp.Click(chromedp.CSS(`#rows a`)), chromedp.WaitVisible(chromedp.CSS(`main[data-one]`)))
	require.Equal(t, shownAs, ask[string](v, `document.querySelector('h1').textContent`))
	v.clean()
}

func darkMode(t *testing.T, browser chrome) {
	v := open(t, browser, demo(time.Now()), "/", scheme("dark"))
	v.until(isLive)
	require.Equal(t, "rgb(18, 19, 21)", ask[string](v, `getComputedStyle(document.body).backgroundColor`))
	v.keep("desktop-dark", false)
	v.clean()
}

// cutOff are the parts that reach over the edge of their card.
const cutOff = `[...document.querySelectorAll('.card *')].filter((e) => e.checkVisibility() && !e.closest('thead, svg') &&
	e.getBoundingClientRect().right > e.closest('.card').getBoundingClientRect().right + 1).map((e) => e.outerHTML.slice(0, 200))`

func smallScreen(t *testing.T, browser chrome) {
	w := demo(time.Now())
	w.view.Workers[0].Key = worker.Key("a-" + strings.Repeat("very-long-name-", 8) + "x")
	v := open(t, browser, w, "/", scheme("dark"), phone(360))
	v.until(isLive)
	for _, width := range []int64{360, 640, 700, 768, 860, 900, 1024} {
		v.run(phone(width))
		require.LessOrEqual(t, ask[int](v, `document.documentElement.scrollWidth`), int(width), "width %d", width)
		require.Empty(t, ask[[]string](v, cutOff), "width %d", width)
	}
	v.run(phone(360))
	v.keep("phone-dark", false)
	v.run(chromedp.Click(chromedp.CSS(`#rows .open`)))
	v.until(`document.querySelector('#rows .more .timeline svg')`)
	require.LessOrEqual(t, ask[int](v, `document.documentElement.scrollWidth`), 360)
	v.keep("phone-dark-whole", true)
	small := ask[[]string](v, `[...document.querySelectorAll('.open, .chips button:not([hidden]), #filter')].filter((e) => e.getBoundingClientRect().height < 40).map((e) => e.outerHTML)`)
	require.Empty(t, small, "too small for a finger")
	v.clean()
}

func withoutScript(t *testing.T, browser chrome) {
	v := open(t, browser, demo(time.Now()), "/", call(emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true}))
	// Poll and Evaluate still work: they are the browser's own.
	require.Equal(t, 12, ask[int](v, `document.querySelectorAll('#rows > tr').length`))
	text := ask[string](v, `document.body.innerText`)
	for _, word := range []string{"transcode-3", "oom, out-of-memory", "0.49 of 0.50", "71 %", "starved", "no such label", "3 healed", "UTC", "reloads every 30 seconds", "exit code 137", "queue stalled"} {
		require.Contains(t, text, word)
	}
	require.False(t, ask[bool](v, `document.documentElement.classList.contains('js')`))
	require.Equal(t, 12, ask[int](v, `document.querySelectorAll('#rows svg.line[aria-label]').length`))
	require.Equal(t, "30", ask[string](v, `document.querySelector('noscript meta').content`))
	v.keep("no-javascript", false)
	v.run(chromedp.Navigate(v.home + "/?worker=transcode-1"))
	require.Contains(t, ask[string](v, `document.querySelector('.timeline').innerText`), "Last 24 hours: alive")
	v.clean()
}

func keyboard(t *testing.T, browser chrome) {
	v := open(t, browser, demo(time.Now()), "/")
	v.until(isLive)
	focused := func() string {
		return ask[string](v, `document.activeElement === document.body ? '' : document.activeElement.textContent`)
	}
	tabTo := func(text string) {
		for range 40 {
			if strings.Contains(focused(), text) {
				return
			}
			v.run(chromedp.KeyEvent(kb.Tab))
		}
		require.Fail(t, "the keyboard does not reach "+text)
	}
	tabTo("CPU")
	v.run(chromedp.KeyEvent(kb.Enter))
	require.Equal(t, "descending", ask[string](v, `document.querySelectorAll('#workers thead th')[3].getAttribute('aria-sort')`))
	require.Equal(t, "sum-of-squares", ask[string](v, `document.querySelector('#rows a').textContent`))
	v.run(chromedp.KeyEvent(" "))
	require.Equal(t, "ascending", ask[string](v, `document.querySelectorAll('#workers thead th')[3].getAttribute('aria-sort')`))
	require.NotEqual(t, "sum-of-squares", ask[string](v, `document.querySelector('#rows a').textContent`))
	require.NotEqual(t, "none", ask[string](v, `getComputedStyle(document.activeElement).outlineStyle`), "focus is not seen")
	v.run(chromedp.KeyEvent("/"))
	require.Equal(t, "filter", ask[string](v, `document.activeElement.id`))
	v.run(do(`document.activeElement.value = ''`), chromedp.KeyEvent("render starved")) // the driver's slash is typed all the same
	require.Equal(t, "1 of 12 workers shown", ask[string](v, `document.querySelector('#found').textContent`))
	v.run(chromedp.KeyEvent(kb.Escape))
	require.Equal(t, 12, ask[int](v, `document.querySelectorAll('#rows > tr:not([hidden])').length`))
	v.run(chromedp.Focus(chromedp.CSS(`#chips button[value=held]`)), chromedp.KeyEvent(kb.Enter))
	require.Equal(t, "index-nightly", ask[string](v, `[...document.querySelectorAll('#rows > tr:not([hidden]) a')].map((a) => a.textContent).join()`))
	v.run(chromedp.Focus(chromedp.CSS(`#rows > tr:not([hidden]) .open`)), chromedp.KeyEvent(kb.Enter))
	v.until(`document.querySelector('#rows .more .timeline')`)
	require.Equal(t, "true", ask[string](v, `document.activeElement.getAttribute('aria-expanded')`))
	v.run(chromedp.KeyEvent(kb.Enter))
	require.Zero(t, ask[int](v, `document.querySelectorAll('#rows .more').length`))
	v.clean()
}

func fiveHundred(t *testing.T, browser chrome) {
	w := crowd(time.Now(), 500)
	v := open(t, browser, w, "/")
	v.until(isLive)
	const timed = `(() => { const f = document.querySelector('#filter'), began = performance.now(); f.value = %q;
		f.dispatchEvent(new Event('input')); document.body.offsetHeight; return performance.now() - began })()`
	best := func(typed string) float64 { // the machine may be busy with something else
		least := ask[float64](v, fmt.Sprintf(timed, typed))
		for range 4 {
			v.run(do(`document.querySelector('#filter').value = 'x'; document.querySelector('#filter').dispatchEvent(new Event('input'))`))
			least = min(least, ask[float64](v, fmt.Sprintf(timed, typed)))
		}
		return least
	}
	const most = 1000.0 // ms; it is about what grows with the square of the workers
	require.Less(t, best("worker-42"), most)
	require.Equal(t, 10, ask[int](v, `document.querySelectorAll('#rows > tr:not([hidden])').length`))
	require.Less(t, best(""), most)
	w.happen(func(f *fleet.View) { f.Workers[250].Attempts = 77 })
	v.until(rowOf("batch-worker-250") + `.innerText.includes('77')`)
	v.keep("five-hundred", false)
	v.clean()
}

// accessibilityTree reads the table as a screen reader does, on a desktop and as cards on a phone.
func accessibilityTree(t *testing.T, browser chrome) {
	v := open(t, browser, demo(time.Now()), "/")
	v.until(isLive)
	for _, width := range []int64{1280, 360} {
		v.run(size(width, 800))
		tables := v.nodes(nil, "table")
		require.Len(t, tables, 2, "width %d", width)
		table := tables["Workers"]
		require.NotNil(t, table)
		require.Contains(t, tables, "Heals and other decisions, the newest first")
		heads := v.nodes(table, "columnheader")
		for _, name := range []string{"Worker", "State", "Health", "CPU", "Throttled", "Attempts", "Next heal", "Last 24 hours"} {
			require.Contains(t, heads, name, "width %d", width)
		}
		require.Contains(t, strings.Join(names(v.nodes(table, "rowheader")), "\n"), "transcode-3")
		cells := names(v.nodes(table, "cell"))
		require.Contains(t, strings.Join(cells, "\n"), "unhealthy")
		require.Contains(t, strings.Join(cells, "\n"), "oom, out-of-memory")
		require.Contains(t, strings.Join(cells, "\n"), "0.49 of 0.50")
		require.Contains(t, v.nodes(table, "button"), "Details of transcode-3")
		require.Contains(t, strings.Join(names(v.nodes(table, "image")), "\n"), "alive 98.3 %, unknown 25 min")
		require.Contains(t, v.nodes(nil, "searchbox"), "Filter workers")
	}
	v.clean()
}

func oneWorker(t *testing.T, browser chrome) {
	w := demo(time.Now())
	v := open(t, browser, w, "/?worker=transcode-1")
	v.until(isLive)
	require.Equal(t, "transcode-1 – Stoker", ask[string](v, `document.title`))
	v.run(chromedp.Click(chromedp.CSS(`.timeline summary`)))
	require.Contains(t, ask[string](v, `document.querySelector('.intervals').innerText`), "healing for 3 s, from")
	w.happen(func(f *fleet.View) { f.Workers[8].Attempts = 9 }, healOf("transcode-1", time.Now(), time.Second, crash(42))...)
	v.until(`document.querySelector('#one').innerText.includes('exit code 42')`)
	require.True(t, ask[bool](v, `document.querySelector('.timeline details').open`))
	v.keep("one-worker", false)
	v.clean()
}

// viewersZone: the browser runs in Tokyo's, nine hours ahead.
func viewersZone(t *testing.T, browser chrome) {
	now := time.Now()
	w := &world{view: fleet.View{Engine: engineUp(now)}}
	at := time.Date(now.Year(), now.Month(), now.Day(), 0, 15, 30, 0, time.UTC).Add(-24 * time.Hour)
	w.notes = healOf("burner", at, time.Second, crash(1))
	v := open(t, browser, w, "/", call(emulation.SetTimezoneOverride, emulation.SetTimezoneOverrideParams{TimezoneID: "Asia/Tokyo"}))
	v.until(isLive)
	require.Contains(t, ask[string](v, `document.querySelector('.when .abs').textContent`), "09:15:30")
	require.Regexp(t, `^(1|2)?\d+ h ago$`, ask[string](v, `document.querySelector('.when .ago').textContent`))
	require.Contains(t, ask[string](v, `document.querySelector('.foot').textContent`), "Asia/Tokyo")
	v.clean()
}
