package queue

import (
	"context"
	"crypto/tls"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/demand"
	"stoker/sidecar/internal/test/queuetest"
)

// serve starts an HTTP server, and returns its host:port.
func serve(t *testing.T, handler http.HandlerFunc) string {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return server.Listener.Addr().String()
}

func TestJSONNumbers(t *testing.T) {
	body := `{"queued": {"total": 12, "text": " 7.5 ", "list": [{"n": 1}, {"n": 2e3}], "none": null, "yes": true, "word": "many", "big": 1e999, "nan": "NaN",
		"inf": "-Inf", "negative": -3, "empty": ""}, "a b": 4}`
	address := serve(t, func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, body) })
	p := newPool(t, Options{})
	for path, want := range map[string]float64{
		"queued.total": 12, "queued.text": 7.5, "queued.list.1.n": 2000, "queued.negative": -3, "a%20b": 4,
	} {
		require.Equal(t, demand.Reading{Waiting: want, InHand: demand.InHand{Kind: demand.InHandIncluded}}, reads(t, p, "http+json://"+address+"/x?value="+path), path)
	}
	for path, text := range map[string]string{
		"queued.none":     `"queued.none" in the answer is null, not a number`,
		"queued.yes":      `"queued.yes" in the answer is true, not a number`,
		"queued.word":     `"queued.word" in the answer is not a number: "many"`,
		"queued.empty":    `"queued.empty" in the answer is not a number`,
		"queued.big":      `"queued.big" in the answer is not a number: "1e999"`,
		"queued.nan":      `is not a number: "NaN"`,
		"queued.inf":      `is not a number: "-Inf"`,
		"queued":          `"queued" in the answer is an object, not a number; write the key of one in it`,
		"queued.list":     `is a list, not a number; write the index of one, such as queued.list.0`,
		"queued.list.2":   `the answer has no "queued.list.2"; correct value=`,
		"queued.list.-1":  `the answer has no "queued.list.-1"`,
		"queued.other.x":  `the answer has no "queued.other"`,
		"queued.total.x":  `the answer has no "queued.total.x"`,
		"queued.list.n.x": `the answer has no "queued.list.n"`,
	} {
		fails(t, p, "http+json://"+address+"/x?value="+path, NotANumber, text)
	}
}

func TestJSONRequest(t *testing.T) {
	var got atomic.Pointer[http.Request]
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		got.Store(r)
		_, _ = fmt.Fprint(w, `[3]`)
	})
	p := newPool(t, Options{})
	require.InDelta(t, 3, reads(t, p, "http+json://u:p%2F@"+address+"/a%2Fb/c?value=0&token=t%26&z=1").Waiting, 0)
	r := got.Load()
	require.Equal(t, "/a%2Fb/c?token=t%26&z=1", r.RequestURI, "value= is Stoker's own")
	user, password, _ := r.BasicAuth()
	require.Equal(t, "u p/", user+" "+password)
	require.Equal(t, "stoker", r.UserAgent())
	reads(t, p, "http+json://"+address+"?value=0")
	require.Empty(t, got.Load().Header.Get("Authorization"))
}

func TestAnswersThatAreNone(t *testing.T) {
	for name, tc := range map[string]struct {
		kind ErrorKind
		text string
		do   http.HandlerFunc
	}{
		"not found": {BadAnswer, "answered 404 Not Found; see whether the URL is right", http.NotFound},
		"refused":   {Refused, "refused user or password, or the lack of one (401)", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(401) }},
		"forbidden": {Refused, "does not let the user read that (403)", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(403) }},
		"broken":    {BadAnswer, "answered 500 Internal Server Error", func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(500) }},
		"empty":     {BadAnswer, "answered something that is not the JSON", func(http.ResponseWriter, *http.Request) {}},
		"two":       {BadAnswer, "answered something that is not the JSON", func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `{"n":1}{"n":2}`) }},
		"html": {BadAnswer, "answered HTML, not JSON: perhaps a page for people", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html; charset=utf-8")
			_, _ = fmt.Fprint(w, `<html>log in</html>`)
		}},
		"elsewhere": {BadAnswer, `redirects to another host, and Stoker does not follow`, func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://other.example/hunter2", http.StatusFound)
		}},
		"in circles": {BadAnswer, "redirects again and again, and Stoker does not follow", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, r.URL.Path+"x", http.StatusFound)
		}},
		"cut": {BadAnswer, "ended its answer in the middle", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Length", "100")
			_, _ = fmt.Fprint(w, `{"n"`)
		}},
		"endless": {BadAnswer, "longer than 1 MiB", func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				if _, err := fmt.Fprint(w, strings.Repeat(" ", 1<<16)); err != nil {
					return
				}
			}
		}},
		"headers": {BadAnswer, "does not answer as a server of HTTP", func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("X", strings.Repeat("x", 1<<18))
		}},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPool(t, Options{})
			fails(t, p, "http+json://u:hunter2@"+serve(t, tc.do)+"/p?value=n", tc.kind, tc.text)
		})
	}
}

func TestABodyWithoutEnd(t *testing.T) {
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = fmt.Fprint(w, `{`)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	p := newPool(t, Options{})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, err := p.Ask(ctx, source(t, "http+json://"+address+"?value=n"))
	var e *Error
	require.ErrorAs(t, err, &e)
	require.Equal(t, Timeout, e.Kind)
}

// A redirect is followed on one server, with user and password, and to no other.
func TestRedirects(t *testing.T) {
	other := serve(t, func(http.ResponseWriter, *http.Request) { t.Error("another server was asked") })
	address := serve(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/a":
			http.Redirect(w, r, "/b", http.StatusMovedPermanently)
		case "/b":
			_, password, _ := r.BasicAuth()
			_, _ = fmt.Fprintf(w, `{"n": %s}`, password)
		default:
			http.Redirect(w, r, "http://"+other+"/", http.StatusTemporaryRedirect)
		}
	})
	p := newPool(t, Options{})
	require.InDelta(t, 42, reads(t, p, "http+json://u:42@"+address+"/a?value=n").Waiting, 0)
	fails(t, p, "http+json://u:42@"+address+"/c?value=n", BadAnswer, `redirects to another port`)
	fails(t, p, "http+json://"+address+"/c?value=n", BadAnswer, "redirects")
}

func TestHTTPConnectionsAreKept(t *testing.T) {
	var connections atomic.Int32
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `[1]`) }))
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		if state == http.StateNew {
			connections.Add(1)
		}
	}
	server.Start()
	defer server.Close()
	p := newPool(t, Options{})
	for n := range 50 {
		reads(t, p, fmt.Sprintf("http+json://%s/%d?value=0", server.Listener.Addr(), n))
	}
	require.Equal(t, int32(1), connections.Load())
}

func TestHTTPWithTLS(t *testing.T) {
	other, err := queuetest.NewAuthority()
	require.NoError(t, err)
	p := newPool(t, Options{})
	for _, authority := range []*queuetest.Authority{trusted, other} {
		server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = fmt.Fprint(w, `[5]`) }))
		server.TLS = &tls.Config{Certificates: []tls.Certificate{authority.Certificate(t)}}
		server.StartTLS()
		defer server.Close()
		text := "https+json://" + server.Listener.Addr().String() + "?value=0"
		if authority == trusted {
			require.InDelta(t, 5, reads(t, p, text).Waiting, 0)
			continue
		}
		fails(t, p, text, Untrusted, "is from no authority that is trusted here; name its file in SSL_CERT_FILE")
	}
}

func TestPrometheus(t *testing.T) {
	server := queuetest.Prometheus(t)
	p := newPool(t, Options{})
	text := func(query string) string { return "prometheus+http://" + server.Address + "/?query=" + query }
	for query, want := range map[string]float64{
		"3": 3, "vector(7.5)": 7.5, "up": 0, "sum(up)": 0, "-2": -2, `vector(1)%2Bvector(2)`: 3, `absent(nothing{queue="tasks"})`: 1,
	} {
		require.Equal(t, demand.Reading{Waiting: want, InHand: demand.InHand{Kind: demand.InHandIncluded}}, reads(t, p, text(query)), query)
	}
	fails(t, p, text("1/0"), NotANumber, `the result of the query is not a number: "+Inf"`)
	fails(t, p, text("0/0"), NotANumber, `the result of the query is not a number: "NaN"`)
	fails(t, p, text(`vector(1)%20or%20label_replace(vector(2),"a","b","","")`), NotANumber, "the query gives several numbers; make one of them, such as with sum()")
	fails(t, p, text(`up[5m]`), NotANumber, `does not give a number: "matrix"`)
	fails(t, p, text(`"word"`), NotANumber, `does not give a number: "string"`)
	fails(t, p, text("sum("), BadAnswer, "refused the query")
	fails(t, p, "prometheus+http://"+server.Address+"/base?query=1", BadAnswer, "404")

	server.Stop()
	fails(t, p, text("1"), Unreachable, "nothing listens on")
	server.Start(t)
	require.InDelta(t, 1, reads(t, p, text("1")).Waiting, 0)
}

func TestPrometheusWithTLSAndPassword(t *testing.T) {
	server := queuetest.Prometheus(t, queuetest.TLS(trusted))
	p := newPool(t, Options{})
	text := func(password string) string {
		return "prometheus+https://" + queuetest.PrometheusUser + ":" + password + "@" + server.Address + "?query=3"
	}
	require.InDelta(t, 3, reads(t, p, text(queuetest.PrometheusPassword)).Waiting, 0)
	fails(t, p, text("wrong"), Refused, "refused user or password")
	fails(t, p, "prometheus+http://"+server.Address+"?query=3", BadAnswer, "answered 400")
}
