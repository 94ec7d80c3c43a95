package ping

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
)

// answers is a transport that does no I/O, so that a test has its own clock.
type answers func(*http.Request) (*http.Response, error)

func (a answers) RoundTrip(r *http.Request) (*http.Response, error) { return a(r) }

// TestItsSilenceIsTheAlarm: fetched at once, then every minute; not while Stoker is not healthy, and at once when it is again.
func TestItsSilenceIsTheAlarm(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var fetched atomic.Int64
		var healthy, failed atomic.Bool
		client := &http.Client{Transport: answers(func(*http.Request) (*http.Response, error) {
			fetched.Add(1)
			return httptest.NewRecorder().Result(), nil
		})}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			Run(ctx, Options{URL: "http://x/", Every: time.Minute, Healthy: healthy.Load, OnResult: func(err error) { failed.CompareAndSwap(false, err != nil) }, Client: client})
		}()
		after := func(d time.Duration) int64 { time.Sleep(d); synctest.Wait(); return fetched.Load() }
		require.Zero(t, after(10*time.Minute))
		healthy.Store(true)
		require.EqualValues(t, 1, after(2*time.Second))
		require.EqualValues(t, 6, after(5*time.Minute))
		healthy.Store(false)
		require.EqualValues(t, 6, after(time.Hour))
		healthy.Store(true)
		require.EqualValues(t, 7, after(2*time.Second))
		cancel()
		<-ended
		require.False(t, failed.Load())
	})
}

// TestWhatGoesWrong: it is reported, without the URL, which is a secret.
func TestWhatGoesWrong(t *testing.T) {
	const secret = "5c0ffee5"
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if strings.Contains(r.URL.Path, "gone") {
			http.NotFound(w, r)
			return
		}
		http.Redirect(w, r, r.URL.Path, http.StatusFound)
	}))
	defer server.Close()
	for path, want := range map[string]string{"/gone/": "the answer is 404 Not Found", "/round/": "stopped after 10 redirects"} {
		err := Options{URL: server.URL + path + secret}.fetch(t.Context())
		require.ErrorContains(t, err, want)
		require.NotContains(t, err.Error(), secret)
	}
	err := Options{URL: "http://127.0.0.1:1/" + secret}.fetch(t.Context())
	require.ErrorContains(t, err, "refused")
	require.NotContains(t, err.Error(), secret)
	require.EqualError(t, Options{URL: "http://a b/"}.fetch(t.Context()), "STOKER_PING is no URL")
	require.Equal(t, "x", withoutURL(errors.New("x")).Error())
}
