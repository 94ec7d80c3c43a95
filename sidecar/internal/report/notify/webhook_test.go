package notify

import (
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// call is what a server was sent.
type call struct {
	method, url, body string
	header            http.Header
}

// redirected sends every request to one server, whatever host it was for.
type redirected struct {
	to   *url.URL
	base http.RoundTripper
}

func (r redirected) RoundTrip(req *http.Request) (*http.Response, error) {
	req = req.Clone(req.Context())
	req.Header.Set("X-Was", req.URL.Scheme+"://"+req.URL.Host)
	req.URL.Scheme, req.URL.Host = r.to.Scheme, r.to.Host
	return r.base.RoundTrip(req)
}

// serve is a server that answers in turn, the last answer again and again, and what it was sent.
func serve(t *testing.T, answers ...string) (*http.Client, func() []call) {
	t.Helper()
	calls := make(chan call, 100)
	n := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		calls <- call{r.Method, r.Header.Get("X-Was") + r.URL.String(), string(body), r.Header}
		code, text, _ := strings.Cut(answers[min(n, len(answers)-1)], " ")
		n++
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(map[string]int{"": 200, "204": 204, "302": 302, "307": 307, "403": 403, "500": 500}[code])
		_, _ = io.WriteString(w, text)
	}))
	t.Cleanup(server.Close)
	to, err := url.Parse(server.URL)
	require.NoError(t, err)
	client := newClient("stoker/test")
	client.Transport = redirected{to, client.Transport}
	return client, func() (all []call) {
		for range len(calls) {
			all = append(all, <-calls)
		}
		return all
	}
}

func sample() Message {
	return Message{Title: "stoker: w & x", Text: "- w: idle\n- x: idle", JSON: []byte(`{"version":1}`), seq: 1}
}

func TestWhatServicesAreSent(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		raw, answer string
		url, body   string
		header      map[string]string
	}{
		{"json+http://me:pw@hook.example/a?k=v&@Authorization=", "204", "http://hook.example/a?k=v", `{"version":1}`,
			map[string]string{"Content-Type": "application/json", "User-Agent": "stoker/test"}},
		{"json+https://me:pw@hook.example/a", " ", "https://hook.example/a", `{"version":1}`, map[string]string{"Authorization": "Basic bWU6cHc="}},
		{"json+https://hook.example/a?@X-Key=v%0d%0aEvil:1", " ", "https://hook.example/a", `{"version":1}`, map[string]string{"X-Key": "vEvil:1"}},
	} {
		t.Run(c.raw, func(t *testing.T) {
			t.Parallel()
			client, calls := serve(t, c.answer)
			to, _, err := open(c.raw, client)
			require.NoError(t, err)
			require.NoError(t, to.send(t.Context(), sample()))
			got := calls()
			require.Len(t, got, 1)
			require.Equal(t, http.MethodPost, got[0].method)
			require.Equal(t, c.url, got[0].url)
			require.JSONEq(t, c.body, got[0].body)
			for name, value := range c.header {
				require.Equal(t, value, got[0].header.Get(name))
			}
		})
	}
}

func TestServersThatRefuse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ raw, answer, what string }{
		{"json+https://hook.example/", "302", "the server answered 302 Found"},
		{"json+https://hook.example/", "307", "the server answered 307 Temporary Redirect"},
		{"json+https://hook.example/tokentoken", "403 tokentoken is not known", "the server answered 403 Forbidden: *** is not known"},
		{"json+https://hook.example/", "500 " + strings.Repeat("x", 1<<20), "the server answered 500 Internal Server Error: " + strings.Repeat("x", 199) + "…"},
	} {
		client, calls := serve(t, c.answer)
		to, m, err := open(c.raw, client)
		require.NoError(t, err)
		err = to.send(t.Context(), sample())
		require.Error(t, err)
		require.Equal(t, c.what, explain(err, m).problem)
		require.NotEmpty(t, explain(err, m).advice)
		require.Len(t, calls(), 1, "redirects are not followed")
	}
}

func TestMistakesInURLs(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		"discord://t@1?colour=1", "slack://hook:T-B-X@webhook", "telegram://1:ab@telegram", "telegram://x@telegram?chats=a",
		"ntfy://h/t?priority=9", "gotify://h/Atoken?priority=x", "json+https:///x", "json+https://h/?@a%20b=c",
		"smtp://h/?to=a@b.example", "smtp://h/?from=a@b.example", "smtp://h/?from=a@b.example&to=c@d.example&auth=magic",
		"smtp://h/?from=a@b.example&to=c@d.example&encryption=rot13", "mattermost://h", "logger://",
	} {
		_, _, err := open(raw, nil)
		require.Error(t, err, raw)
	}
}
