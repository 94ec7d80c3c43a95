package page

import (
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/report/peers"
)

// neighbour is another host with workers in these states.
func neighbour(name string, state peers.State, states ...string) peers.Host {
	answered := time.Now().Add(-3 * time.Minute)
	h := peers.Host{Name: name, Address: "http://" + name + ":8080", State: state, Answered: &answered, Report: peers.Report{Version: "1.2.2", Connected: true, Engine: "26.1"}}
	for n, s := range states {
		h.Workers = append(h.Workers, peers.Worker{Key: fmt.Sprintf("%s-%d", name, n), State: s, Container: peers.Container{Status: "running", Health: "healthy"}})
	}
	return h
}

func withHosts(hosts ...peers.Host) Options {
	o := demo(time.Now()).options()
	o.Hosts = func() []peers.Host { return hosts }
	return o
}

func TestHosts(t *testing.T) {
	t.Parallel()
	dead := neighbour("gamma", peers.Silent, "unknown")
	dead.Error = "connection refused"
	h := New(withHosts(neighbour("alpha", peers.Answered, "running", "exhausted"), neighbour("beta", peers.Answered, "running", "from-the-future"), dead))
	text := get(t, h, "/").Body.String()
	_, hosts, found := strings.Cut(text, `<div id="hosts"`)
	require.True(t, found)
	for _, want := range []string{"alpha-1", "silent", "connection refused", "last answered", "3 min ago", "from-the-future", "1.2.2"} {
		require.Contains(t, hosts, want)
	}
	require.NotContains(t, hosts, "s-from-the-future", "a state that this version does not have is unknown")
	require.Less(t, strings.Index(hosts, "alpha-1"), strings.Index(hosts, "gamma-0"), "the most urgent first")
	require.Less(t, strings.Index(hosts, "gamma-0"), strings.Index(hosts, "alpha-0"))

	address := "/?host=" + url.QueryEscape("http://beta:8080")
	one := get(t, h, address)
	require.Equal(t, http.StatusOK, one.Code)
	require.Contains(t, one.Body.String(), "beta-0")
	require.NotContains(t, one.Body.String(), "alpha-0")
	require.Equal(t, http.StatusOK, get(t, h, address+"&fragment=hosts").Code)
	require.Equal(t, http.StatusOK, get(t, h, "/?fragment=hosts").Code)
	require.Equal(t, http.StatusNotFound, get(t, h, "/?host=nowhere").Code)
	require.NotContains(t, get(t, h, "/?fragment=workers").Body.String(), "alpha", "the hosts are a fragment of their own")
}

func TestNoHostsWithoutPeers(t *testing.T) {
	t.Parallel()
	h := New(demo(time.Now()).options())
	require.NotContains(t, get(t, h, "/").Body.String(), `id="hosts"`)
	for _, path := range []string{"/?fragment=hosts", "/?host=", "/?host=x&fragment=hosts"} {
		require.Equal(t, http.StatusNotFound, get(t, h, path).Code, path)
	}
}

// Fifty hosts with two hundred workers each are a page that a browser can show, and none of the urgent ones is missing.
func TestManyHosts(t *testing.T) {
	t.Parallel()
	var hosts []peers.Host
	for n := range 50 {
		states := make([]string, 200)
		for i := range states {
			states[i] = "running"
		}
		states[n] = "exhausted"
		hosts = append(hosts, neighbour(fmt.Sprintf("host%02d", n), peers.Answered, states...))
	}
	h := New(withHosts(hosts...))
	body := get(t, h, "/?fragment=hosts").Body.String()
	require.Less(t, len(body), 500_000)
	require.Equal(t, 50, strings.Count(body, "#i-exhausted"))
	require.Contains(t, body, fmt.Sprintf("and %d more workers", 50*200-maxOthers))
	require.Equal(t, 200, strings.Count(get(t, h, "/?host="+url.QueryEscape(hosts[7].Address)).Body.String(), "<bdi>host07-"))
}
