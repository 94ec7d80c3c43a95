package docker

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// gatekeeper is compose/haproxy.cfg, as far as it decides: its conditions, and what it allows by them.
type gatekeeper struct {
	methods map[string][]string
	paths   map[string]*regexp.Regexp
	allowed [][]string // any of them, all words of one of them
}

func readGatekeeper(t *testing.T) gatekeeper {
	t.Helper()
	text, err := os.ReadFile("../../../../compose/haproxy.cfg")
	require.NoError(t, err)
	g := gatekeeper{methods: map[string][]string{}, paths: map[string]*regexp.Regexp{}}
	for line := range strings.Lines(string(text)) {
		words := strings.Fields(line)
		switch {
		case len(words) > 3 && words[0] == "acl" && words[2] == "method":
			g.methods[words[1]] = words[3:]
		case len(words) == 4 && words[0] == "acl" && words[2] == "path_reg":
			g.paths[words[1]] = regexp.MustCompile(words[3])
		case strings.HasPrefix(strings.TrimSpace(line), "http-request allow if "):
			for _, rule := range strings.Split(strings.Join(words[3:], " "), " || ") {
				g.allowed = append(g.allowed, strings.Fields(rule))
			}
		}
	}
	require.NotEmpty(t, g.allowed)
	return g
}

// lets reports whether a call gets through.
func (g gatekeeper) lets(method, path string, recreates bool, evidence ...bool) bool {
	var settings []string
	if recreates {
		settings = append(settings, "recreates")
	}
	if len(evidence) > 0 {
		settings = append(settings, "evidence")
	}
	return g.letsWith(method, path, settings...)
}

// letsWith reports whether a call gets through where those settings are 1.
func (g gatekeeper) letsWith(method, path string, settings ...string) bool {
	holds := func(word string) bool {
		if slices.Contains(settings, word) {
			return true
		}
		for _, one := range g.methods[word] {
			if one == method {
				return true
			}
		}
		return g.paths[word] != nil && g.paths[word].MatchString(path)
	}
	for _, rule := range g.allowed {
		all := true
		for _, word := range rule {
			all = all && holds(word)
		}
		if all {
			return true
		}
	}
	return false
}

// callsOfReadme are the calls that README.md lists for every Stoker.
func callsOfReadme(t *testing.T) []string {
	t.Helper()
	text, err := os.ReadFile("../../../../README.md")
	require.NoError(t, err)
	_, list, found := strings.Cut(string(text), "The calls it makes, all of them: ")
	require.True(t, found)
	list, _, found = strings.Cut(list, "For recreates")
	require.True(t, found)
	calls, method := []string{}, ""
	for _, word := range regexp.MustCompile("`([^`]+)`").FindAllStringSubmatch(list, -1) {
		verb, path, both := strings.Cut(word[1], " ")
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

// asSent is a documented call with names in the place of what stands for them, and the version before it.
func asSent(call string) (method, path string) {
	method, path, _ = strings.Cut(call, " ")
	path = regexp.MustCompile(`[{<](id|name)[}>]`).ReplaceAllString(path, "a-Name_0.1")
	return method, "/v1.41" + path
}

// The README says that these are all calls, docs/recreate.md has those of recreates, and the proxy of compose/proxy.yaml lets
// through both, and of the latter none that it was not told to.
func TestProxyLetsThroughWhatIsDocumented(t *testing.T) {
	t.Parallel()
	g := readGatekeeper(t)
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
