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

// denies answers as a proxy does, which is not the engine.
func denies(status int) func(*http.Request) (*http.Response, error) {
	return func(*http.Request) (*http.Response, error) {
		return &http.Response{
			StatusCode: status, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{"Content-Type": {"text/html"}},
			Body: io.NopCloser(strings.NewReader("<html><body><h1>403 Forbidden</h1>\nRequest forbidden by administrative rules.\n</body></html>")),
		}, nil
	}
}

// waysToDeny are what proxies do with what they do not let through.
func waysToDeny() map[string]func(*http.Request) (*http.Response, error) {
	return map[string]func(*http.Request) (*http.Response, error){
		"answers 403": denies(403), "answers 404": denies(404), "answers 500": denies(500), "closes the connection": fails(io.EOF),
	}
}

// guarded is an engine with a proxy before it that denies one call.
type guarded struct {
	deny  func(method, path string) bool
	how   func(*http.Request) (*http.Response, error)
	bare  bool // the proxy takes the engine's headers away
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
	told := &[]string{}
	c, err := New(Options{Transport: g, OnDenied: func(text string, necessary bool) { *told = append(*told, fmt.Sprint(necessary, " ", text)) }})
	require.NoError(t, err)
	return c, told
}

// engineOf answers pings and what upToDate does, with the newest version in each answer.
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

// Each call that is tried and denied is told once, in one line with what to allow; where Stoker cannot work without it, it says so for
// as long as that lasts.
func TestDeniedCallsAreTold(t *testing.T) {
	for name, how := range waysToDeny() {
		for _, trial := range (&Client{}).trials() {
			method, path, _ := strings.Cut(trial[0]+" "+trial[1], " ")
			path, _, _ = strings.Cut(path, "?")
			t.Run(name+" "+method+strings.ReplaceAll(path, noContainer, "x"), func(t *testing.T) {
				on := true
				g := &guarded{how: how, http: engineOf("1.12", "1.41"), deny: func(m, p string) bool { return on && m == method && strings.HasSuffix(p, path) }}
				c, told := g.client(t)
				if path != "/networks/bridge" { // of which the session tells
					_, err := c.Engine(t.Context())
					require.NoError(t, err)
				}
				lines := c.TryCalls(t.Context())
				require.Len(t, lines, 1)
				denied := c.denials.directory.find(method, path)
				require.Contains(t, lines[0], name+" to "+denied.name+": "+string(denied.without)+"; allow it (docker-socket-proxy: ")
				require.Equal(t, []string{fmt.Sprint(denied.without.necessary(), " ", lines[0])}, *told)
				require.Equal(t, denied.without.necessary(), c.Lacking() == lines[0])

				c.TryCalls(t.Context())
				require.Len(t, *told, 1, "told once")
				on = false
				require.Empty(t, c.TryCalls(t.Context()))
				require.Empty(t, c.Lacking())
				on = true
				c.TryCalls(t.Context())
				require.Len(t, *told, 2, "told again, as it was let through in between")
			})
		}
	}
}

// With POST denied as a whole there is one line for each thing that Stoker then cannot do.
func TestAllPostsDenied(t *testing.T) {
	g := &guarded{how: denies(403), http: engineOf("1.12", "1.41"), deny: func(m, _ string) bool { return m == http.MethodPost }}
	c, told := g.client(t)
	_, err := c.Engine(t.Context())
	require.NoError(t, err)
	c.TryCalls(t.Context())
	require.Len(t, *told, 4)
	require.Equal(t, "true a socket proxy or authorization plugin before the engine answers 403 to POST /containers/{id}/start, "+
		"POST /containers/{id}/stop: Stoker cannot heal workers; allow them (docker-socket-proxy: CONTAINERS=1 POST=1)", (*told)[0])

	out := c.Do(t.Context(), worker.Action{Verb: worker.Start, Incarnation: worker.Incarnation{ID: testID}})
	require.Equal(t, worker.Failed, out.Result)
	require.Contains(t, out.Err, "start the container: a socket proxy")
	require.NotContains(t, out.Err, "<html>")
}

// The engine's own words are no denial, whatever its status.
func TestEngineRefusesByItself(t *testing.T) {
	for _, status := range []int{400, 403, 404, 409, 500} {
		c, _ := newFake(t, says(status, `{"message":"no"}`))
		c.Do(t.Context(), worker.Action{Verb: worker.Start, Incarnation: worker.Incarnation{ID: testID}})
		require.Empty(t, c.denials.now(), status)
	}
	for _, status := range []int{502, 503, 504} { // the proxy's words for an engine that is away
		c, _ := newFake(t, denies(status))
		c.Do(t.Context(), worker.Action{Verb: worker.Start, Incarnation: worker.Incarnation{ID: testID}})
		require.Empty(t, c.denials.now(), status)
	}
	c, _ := newFake(t, fails(io.EOF)) // an engine that dies takes every call along
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
				c, told := g.client(t)
				var err error
				for range 2 { // a connection that was closed tells nothing the first time
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
					if name == "closes the connection" { // which is known when the session's error was told already
						require.Len(t, *told, 1)
						return
					}
					require.Empty(t, *told, "the session's error tells")
					return
				}
				require.NoError(t, err)
				require.Empty(t, c.Lacking())
				require.Len(t, *told, 1)
				require.Contains(t, (*told)[0], "false ")
				require.Contains(t, (*told)[0], name+" to GET /"+tc.call)
			})
		}
	}
}

// The API version is found where the ping is denied, and where the proxy takes the header away that has it.
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

// asMoby is engineOf with moby's words for a version that it does not speak.
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

// Every call that the documentation lists is known, with what is lost without it, and no other.
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
