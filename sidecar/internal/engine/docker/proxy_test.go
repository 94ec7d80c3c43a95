package docker

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// proxyRules are the rules of compose/haproxy.cfg: its conditions, and what it allows by them.
type proxyRules struct {
	methods map[string][]string
	paths   map[string]*regexp.Regexp
	allowed [][]string // one rule must hold, with all its conditions
}

func readProxyRules(t *testing.T) proxyRules {
	t.Helper()
	text, err := os.ReadFile("../../../../compose/haproxy.cfg")
	require.NoError(t, err)
	g := proxyRules{methods: map[string][]string{}, paths: map[string]*regexp.Regexp{}}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) > 3 && fields[0] == "acl" && fields[2] == "method":
			g.methods[fields[1]] = fields[3:]
		case len(fields) == 4 && fields[0] == "acl" && fields[2] == "path_reg":
			g.paths[fields[1]] = regexp.MustCompile(fields[3])
		case strings.HasPrefix(strings.TrimSpace(line), "http-request allow if "):
			for _, rule := range strings.Split(strings.Join(fields[3:], " "), " || ") {
				g.allowed = append(g.allowed, strings.Fields(rule))
			}
		}
	}
	require.NotEmpty(t, g.allowed)
	return g
}

// lets reports whether a call is allowed.
func (g proxyRules) lets(method, path string, recreates bool, evidence ...bool) bool {
	var settings []string
	if recreates {
		settings = append(settings, "recreates")
	}
	if len(evidence) > 0 {
		settings = append(settings, "evidence")
	}
	return g.letsWith(method, path, settings...)
}

// letsWith reports whether a call is allowed if those settings are 1.
func (g proxyRules) letsWith(method, path string, settings ...string) bool {
	holds := func(condition string) bool {
		if slices.Contains(settings, condition) {
			return true
		}
		for _, one := range g.methods[condition] {
			if one == method {
				return true
			}
		}
		return g.paths[condition] != nil && g.paths[condition].MatchString(path)
	}
	for _, rule := range g.allowed {
		all := true
		for _, condition := range rule {
			all = all && holds(condition)
		}
		if all {
			return true
		}
	}
	return false
}

// callsOfReadme returns the calls that README.md lists for every Stoker.
func callsOfReadme(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../../../README.md")
	require.NoError(t, err)
	_, list, found := strings.Cut(string(text), "The calls it makes, all of them: ")
	require.True(t, found)
	list, _, found = strings.Cut(list, "For recreates")
	require.True(t, found)
	calls, method := []string{}, ""
	for _, quoted := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(list, -1) {
		verb, path, both := strings.Cut(quoted[1], " ")
		switch {
		case both:
			calls = append(calls, verb+" "+path)
		case strings.HasPrefix(verb, "/"):
			calls = append(calls, method+" "+verb)
		default:
			method = verb
		}
	}
	return calls
}

// asSent returns a documented call with names in place of its placeholders, and with the version prefix.
func asSent(call string) (method, path string) {
	method, path, _ = strings.Cut(call, " ")
	path = regexp.MustCompile(`[{<](id|name)[}>]`).ReplaceAllString(path, "a-Name_0.1")
	return method, "/v1.41" + path
}

// The README lists the calls of every Stoker, docs/recreate.md those of recreates. The proxy of compose/proxy.yaml allows the former, and
// the latter only if it is set to.
func TestProxyAllowsTheDocumentedCalls(t *testing.T) {
	t.Parallel()
	g := readProxyRules(t)
	always := callsOfReadme(t)
	require.Contains(t, always, "POST /containers/{id}/update")
	known := map[string]bool{}
	for _, call := range always {
		method, path := asSent(call)
		require.True(t, g.lets(method, path, false), call)
		known[strings.NewReplacer("{", "<", "}", ">").Replace(call)] = true
	}
	for call := range documented(t) {
		method, path := asSent(call)
		require.True(t, g.lets(method, path, true), call)
		require.Equal(t, known[call], g.lets(method, path, false), call)
	}
	for call := range documentedIn(t, "evidence.md") {
		method, path := asSent(call)
		require.False(t, g.lets(method, path, true), call)
		require.True(t, g.lets(method, path, false, true), call)
	}
	for call := range documentedIn(t, "swarm.md") {
		method, path := asSent(call)
		require.True(t, g.letsWith(method, path, "swarm", "scales"), call)
		changes := method == "POST" && strings.HasSuffix(path, "/update")
		require.Equal(t, !changes && !strings.Contains(path, "/nodes/"), g.letsWith(method, path, "swarm") || known[strings.NewReplacer("{", "<", "}", ">").Replace(call)], call)
	}
	for _, call := range []string{"POST /services/<id>/update", "GET /nodes/<id>", "GET /tasks", "POST /containers/<id>/kill", "DELETE /images/<id>", "POST /build"} {
		method, path := asSent(call)
		require.False(t, g.lets(method, path, true), call)
	}
}
