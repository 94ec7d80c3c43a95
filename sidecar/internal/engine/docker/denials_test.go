package docker

import (
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
)

// denies answers as a proxy does, without the engine's headers.
func denies(status int) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"text/html"}},
			Body: io.NopCloser(strings.NewReader("<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>")),
		}, nil
	}
}

// waysToDeny returns the ways in which proxies refuse calls.
func waysToDeny() map[string]func(*http.Request) (*http.Response, error) {
	return map[string]func(*http.Request) (*http.Response, error){
		"answers 403": denies(403), "answers 404": denies(404), "answers 500": denies(500), "closes the connection": fails(io.EOF),
	}
}

// guarded is an engine with a proxy before it that denies one call.
type guarded struct {
	deny  func(method, path string) bool
	how   func(*http.Request) (*http.Response, error)
	bare  bool // the proxy removes the engine's headers
	http  func(*http.Request) (*http.Response, error)
	mu    sync.Mutex
	asked []string
}

func (g *guarded) RoundTrip(r *http.Request) (*http.Response, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.asked = append(g.asked, r.Method+" "+r.URL.RequestURI())
	if g.deny(r.Method, r.URL.Path) {
		return g.how(r)
	}
	resp, err := g.engine(r)
	if resp != nil && g.bare {
		resp.Header.Del("Api-Version")
	}
	return resp, err
}

func (g *guarded) engine(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.Path, noContainer) {
		return reply(404, `{"message":"No such container"}`), nil
	}
	return g.http(r)
}

func (g *guarded) client(t *testing.T) (*Client, *[]string) {
	t.Helper()
	reports := &[]string{}
	c, err := New(Options{Transport: g, OnDenied: func(text string, necessary bool) { *reports = append(*reports, fmt.Sprint(necessary, " ", text)) }})
	require.NoError(t, err)
	return c, reports
}

// engineOf answers pings and the requests of upToDate, with the newest version in each answer.
func engineOf(oldest, newest string) func(*http.Request) (*http.Response, error) {
	answer := upToDate(oldest, newest)
	return func(r *http.Request) (*http.Response, error) {
		resp, err := reply(200, ""), error(nil)
		if !strings.HasSuffix(r.URL.Path, "/_ping") {
			resp, err = answer(r)
		}
		resp.Header.Set("Api-Version", newest)
		return resp, err
	}
}

// Each call that is tried and denied is reported once, in one line with what to allow. If Stoker cannot work without it, Lacking returns it
// while that lasts.
func TestDeniedCallsAreTold(t *testing.T) {
	for name, how := range waysToDeny() {
		for _, trial := range (&Client{}).trials() {
			method, path, _ := strings.Cut(trial[0]+" "+trial[1], " ")
			path, _, _ = strings.Cut(path, "?")
			t.Run(name+" "+method+strings.ReplaceAll(path, noContainer, "x"), func(t *testing.T) {
				on := true
				g := &guarded{how: how, http: engineOf("1.12", "1.41"), deny: func(m, p string) bool { return on && m == method && strings.HasSuffix(p, path) }}
				c, reports := g.client(t)
				if path != "/networks/bridge" { // reported by the session
					_, err := c.Engine(t.Context())
					require.NoError(t, err)
				}
				lines := c.TryCalls(t.Context())
				require.Len(t, lines, 1)
				denied := c.denials.directory.find(method, path)
				require.Contains(t, lines[0], name+" to "+denied.name+": "+string(denied.without)+"; allow it (docker-socket-proxy: ")
				require.Equal(t, []string{fmt.Sprint(denied.without.necessary(), " ", lines[0])}, *reports)
				require.Equal(t, denied.without.necessary(), c.Lacking() == lines[0])

				c.TryCalls(t.Context())
				require.Len(t, *reports, 1, "reported once")
				on = false
				require.Empty(t, c.TryCalls(t.Context()))
				require.Empty(t, c.Lacking())
				on = true
				c.TryCalls(t.Context())
				require.Len(t, *reports, 2, "reported again, because it was allowed in between")
			})
		}
	}
}

// With POST denied as a whole there is one line for each thing that Stoker then cannot do.
func TestAllPostsDenied(t *testing.T) {
	g := &guarded{how: denies(403), http: engineOf("1.12", "1.41"), deny: func(m, _ string) bool { return m == http.MethodPost }}
	c, reports := g.client(t)
	_, err := c.Engine(t.Context())
	require.NoError(t, err)
	c.TryCalls(t.Context())
	require.Len(t, *reports, 4)
	require.Equal(t, "true a socket proxy or authorization plugin before the engine answers 403 to POST /containers/{id}/start, "+
		"POST /containers/{id}/stop: Stoker cannot heal workers; allow them (docker-socket-proxy: CONTAINERS=1 POST=1)", (*reports)[0])

	out := c.Do(t.Context(), worker.Action{Verb: worker.Start, Incarnation: worker.Incarnation{ID: testID}})
	require.Equal(t, worker.Failed, out.Result)
	require.Contains(t, out.Err, "start the container: a socket proxy")
	require.NotContains(t, out.Err, "<html>")
}

// The engine's own answer is no denial, whatever its status.
func TestEngineRefusesByItself(t *testing.T) {
	for _, status := range []int{400, 403, 404, 409, 500} {
		c, _ := newFake(t, replies(status, `{"message":"no"}`))
		c.Do(t.Context(), worker.Action{Verb: worker.Start, Incarnation: worker.Incarnation{ID: testID}})
		require.Empty(t, c.denials.now(), status)
	}
	for _, status := range []int{502, 503, 504} { // a proxy's answers without the engine
		c, _ := newFake(t, denies(status))
		c.Do(t.Context(), worker.Action{Verb: worker.Start, Incarnation: worker.Incarnation{ID: testID}})
		require.Empty(t, c.denials.now(), status)
	}
	c, _ := newFake(t, fails(io.EOF)) // all calls to an engine that shuts down fail
	for range 3 {
		c.Do(t.Context(), worker.Action{Verb: worker.Start, Incarnation: worker.Incarnation{ID: testID}})
	}
	require.Empty(t, c.denials.now())
}

// A session needs some calls: without them it does not begin, and the error names the call. It does without the others.
func TestSessionBehindAProxy(t *testing.T) {
	for name, how := range waysToDeny() {
		for _, tc := range []struct {
			call      string
			necessary bool
		}{
			{"info", true}, {"containers/json", true}, {"events", true}, {"networks/bridge", false}, {"_ping", false},
		} {
			t.Run(name+" "+tc.call, func(t *testing.T) {
				g := &guarded{how: how, http: engineOf("1.44", "1.52"), deny: func(_, p string) bool { return strings.HasSuffix(p, "/"+tc.call) }}
				c, reports := g.client(t)
				var err error
				for range 2 { // a closed connection counts from the second time on
					var engine worker.Engine
					if engine, err = c.Engine(t.Context()); err == nil {
						require.Equal(t, "1.51", engine.APIVersion)
						_, err = c.List(t.Context())
					}
					if err == nil {
						events, end := c.Events(t.Context(), engine.Now)
						for range events {
						}
						if err = <-end; !strings.Contains(Explain(err), "proxy") {
							err = nil // upToDate's stream ends by itself
						}
					}
				}
				if tc.necessary {
					require.ErrorContains(t, errorString(Explain(err)), name+" to GET /"+tc.call+": Stoker cannot see the containers; allow it")
					require.Contains(t, c.Lacking(), tc.call)
					if name == "closes the connection" { // which is detected after the session's error was returned
						require.Len(t, *reports, 1)
						return
					}
					require.Empty(t, *reports, "the session's error has it")
					return
				}
				require.NoError(t, err)
				require.Empty(t, c.Lacking())
				require.Len(t, *reports, 1)
				require.Contains(t, (*reports)[0], "false ")
				require.Contains(t, (*reports)[0], name+" to GET /"+tc.call)
			})
		}
	}
}

// The API version is found if the ping is denied, and if the proxy removes the header with it.
func TestVersionBehindAProxy(t *testing.T) {
	for name, tc := range map[string]struct {
		oldest, newest string
		bare           bool
		want           string
	}{
		"an old engine":          {oldest: "1.12", newest: "1.41", want: "1.41"},
		"a new engine":           {oldest: "1.44", newest: "1.53", want: "1.51"},
		"an old one, no headers": {oldest: "1.12", newest: "1.41", bare: true, want: "1.41"},
		"a new one, no headers":  {oldest: "1.44", newest: "1.53", bare: true, want: "1.51"},
	} {
		for _, ping := range []bool{true, false} {
			t.Run(fmt.Sprint(name, ", ping ", ping), func(t *testing.T) {
				g := &guarded{how: denies(403), bare: tc.bare, http: asMoby(tc.oldest, tc.newest), deny: func(_, p string) bool { return !ping && strings.HasSuffix(p, "/_ping") }}
				c, _ := g.client(t)
				engine, err := c.Engine(t.Context())
				require.NoError(t, err)
				require.Equal(t, tc.want, engine.APIVersion)
				_, err = c.List(t.Context())
				require.NoError(t, err)
				require.NoError(t, c.Ping(t.Context()))
			})
		}
	}
}

// asMoby is engineOf with moby's error for a version that it does not support.
func asMoby(oldest, newest string) func(*http.Request) (*http.Response, error) {
	engine := engineOf(oldest, newest)
	return func(r *http.Request) (*http.Response, error) {
		version, _, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/v"), "/")
		if strings.HasPrefix(r.URL.Path, "/v") && version > newest {
			resp := reply(400, `{"message":"client version `+version+` is too new. Maximum supported API version is `+newest+`"}`)
			resp.Header.Set("Api-Version", newest)
			return resp, nil
		}
		return engine(r)
	}
}

// The list of calls, with what is lost without each, is the same in the documentation and in the code.
func TestCallsAreKnown(t *testing.T) {
	want := map[string]bool{"GET /_ping": true}
	for _, one := range callsOfReadme(t) {
		want[one] = true
	}
	delete(want, "HEAD /_ping") // as GET
	for one := range documented(t) {
		want[strings.NewReplacer("<", "{", ">", "}").Replace(one)] = true
	}
	for _, page := range []string{"evidence.md", "swarm.md"} {
		for one := range documentedIn(t, page) {
			want[strings.NewReplacer("<", "{", ">", "}").Replace(one)] = true
		}
	}
	d := newDirectory()
	for _, c := range calls() {
		require.Contains(t, lacks(), c.without, c.name)
		require.NotEmpty(t, c.settings, c.name)
		method, path := asSent(c.name)
		require.Equal(t, c.name, d.find(method, path).name)
		require.Equal(t, c.name, d.find(method, "/prefix"+path).name, "behind a path")
		require.True(t, want[c.name] || c.name == "GET /libpod/containers/{id}/json", "%s is not documented", c.name)
		delete(want, c.name)
	}
	require.Empty(t, want)
	require.Equal(t, "GET /_ping", d.find("HEAD", "/_ping").name)
	require.False(t, slices.ContainsFunc(d.all, func(c call) bool { return c.name == d.find("GET", "/v1.41/containers/a/attach").name }))
}
