package page

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/accessibility"
	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	cdpage "github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/test/testenv"
)

// chrome is a browser that runs.
type chrome struct{ ctx context.Context }

// chromium starts a browser that ends with the test.
func chromium(t *testing.T) chrome {
	t.Helper()
	var path string
	for _, name := range []string{"chromium", "chromium-browser", "google-chrome", "google-chrome-stable"} {
		if found, err := exec.LookPath(name); err == nil && path == "" {
			path = found
		}
	}
	if path == "" {
		testenv.Missing(t, "no chromium in PATH: install Debian's package chromium")
	}
	flags := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(path), chromedp.Flag("lang", "en-GB"),
		chromedp.Env("TZ=Asia/Tokyo", "HOME="+t.TempDir()))
	if os.Getuid() == 0 {
		flags = append(flags, chromedp.NoSandbox)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewExecAllocator(ctx, flags...)
	t.Cleanup(cancel)
	ctx, cancel = chromedp.NewContext(ctx)
	t.Cleanup(cancel)
	require.NoError(t, chromedp.Do(ctx), "start %s", path)
	return chrome{ctx}
}

// step is something done in a tab.
type step = chromedp.Action[chromedp.Void]

func call[P any](command cdp.Command[P, cdp.Empty], params P) step {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, command, params)
		return err
	})
}

func size(width, height int64) step {
	return call(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1})
}

func phone(width int64) step {
	return call(emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: 740, DeviceScaleFactor: 2, Mobile: true})
}

// do runs a statement in the page.
func do(statement string) step {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := chromedp.Evaluate[bool](statement+"; true")(ctx, tab)
		return err
	})
}

// visit is a tab on a server, with what went wrong in it.
type visit struct {
	t    *testing.T
	ctx  context.Context
	home string

	mu     sync.Mutex
	errors []string
	hosts  map[string]bool
}

// open shows path. What is to be set before goes first.
func open(t *testing.T, browser chrome, w *world, path string, before ...step) *visit {
	t.Helper()
	server := httptest.NewServer(w.handler())
	t.Cleanup(server.CloseClientConnections) // runs after the tab is gone
	ctx, cancel := chromedp.NewContext(browser.ctx)
	t.Cleanup(cancel)
	ctx, stop := context.WithTimeout(ctx, 4*time.Minute)
	t.Cleanup(stop)
	v := &visit{t: t, ctx: ctx, home: server.URL, hosts: map[string]bool{}}
	require.NoError(t, chromedp.Listen(ctx, v.observe))
	v.run(call(log.Enable, cdp.Empty{}), call(network.Enable, network.EnableParams{}), size(1280, 900))
	v.run(before...)
	v.run(chromedp.Navigate(server.URL + path))
	return v
}

func (v *visit) observe(event any) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		v.errors = append(v.errors, fmt.Sprintf("%+v", e.ExceptionDetails))
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError || e.Entry.Level == log.EntryLevelWarning {
			v.errors = append(v.errors, e.Entry.Text+" "+e.Entry.URL)
		}
	case *cdpage.EventJavascriptDialogOpening:
		v.errors = append(v.errors, "dialog: "+e.Message)
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err == nil && u.Scheme != "data" {
			v.hosts[u.Scheme+"://"+u.Host] = true
		}
	}
}

// run takes the steps. A live page may swap in a new part between the search for a node and the step: then it is taken again.
func (v *visit) run(steps ...step) {
	v.t.Helper()
	for _, s := range steps {
		err := chromedp.Do(v.ctx, s)
		for try := 0; err != nil && try < 10 && strings.Contains(err.Error(), "Could not find node"); try++ {
			err = chromedp.Do(v.ctx, s)
		}
		require.NoError(v.t, err)
	}
}

// patience is for what must happen: far more than a browser on a busy machine needs.
const patience = 90 * time.Second

// until waits for a condition of the page.
func (v *visit) until(condition string) {
	v.t.Helper()
	poll := chromedp.Poll[bool]("Boolean("+condition+")", chromedp.WithPollingInterval(30*time.Millisecond), chromedp.WithPollingTimeout(patience))
	_, err := chromedp.Run(v.ctx, poll)
	require.NoError(v.t, err, "wait for %s", condition)
}

// ask evaluates an expression.
func ask[T any](v *visit, expression string) T {
	v.t.Helper()
	answer, err := chromedp.Run(v.ctx, chromedp.Evaluate[T](expression))
	require.NoError(v.t, err, "ask %s", expression)
	return answer
}

// clean requires that nothing went wrong in the tab, and that it made no other connection.
func (v *visit) clean() {
	v.t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	require.Empty(v.t, v.errors)
	require.Equal(v.t, map[string]bool{v.home: true}, v.hosts)
}

// keep writes a picture into the folder named by STOKER_TEST_SCREENSHOTS.
func (v *visit) keep(name string, whole bool) {
	v.t.Helper()
	folder := os.Getenv("STOKER_TEST_SCREENSHOTS")
	if folder == "" {
		return
	}
	shot := chromedp.CaptureScreenshot()
	if whole {
		shot = chromedp.FullScreenshot(100)
	}
	png, err := chromedp.Run(v.ctx, shot)
	require.NoError(v.t, err)
	require.NoError(v.t, os.MkdirAll(folder, 0o755))
	require.NoError(v.t, os.WriteFile(filepath.Join(folder, name+".png"), png, 0o644))
}

const isLive = `document.querySelector('#live').textContent === 'live'`

func scheme(name string) step {
	return call(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: name}}})
}

// nodes are the parts of the accessibility tree that have a role, by name.
func (v *visit) nodes(root *accessibility.Node, role string) map[string]*accessibility.Node {
	v.t.Helper()
	asked := accessibility.QueryAXTreeParams{Role: role}
	if root != nil {
		asked.BackendNodeID = root.BackendDOMNodeID
	} else {
		document, err := chromedp.Call(v.ctx, runtime.Evaluate, runtime.EvaluateParams{Expression: "document"})
		require.NoError(v.t, err)
		asked.ObjectID = document.Result.ObjectID
	}
	tree, err := chromedp.Call(v.ctx, accessibility.QueryAXTree, asked)
	require.NoError(v.t, err)
	found := map[string]*accessibility.Node{}
	for _, n := range tree.Nodes {
		if !n.Ignored && n.Name != nil {
			var name string
			require.NoError(v.t, json.Unmarshal(n.Name.Value, &name))
			found[name] = n
		}
	}
	return found
}

func names(nodes map[string]*accessibility.Node) []string {
	var all []string
	for name := range nodes {
		all = append(all, name)
	}
	return all
}
