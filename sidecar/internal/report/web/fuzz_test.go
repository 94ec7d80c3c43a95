package web

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/report/history"
)

// ofAnyKind sends a request whose query and header no client has encoded.
func ofAnyKind(ctx context.Context, opts Options, path, query, lastID string) *httptest.ResponseRecorder {
	r := &http.Request{
		Method: http.MethodGet, Host: "stoker", URL: &url.URL{Path: path, RawQuery: query}, RequestURI: path + "?" + query, ProtoMajor: 1, ProtoMinor: 1,
		Header: http.Header{},
	}
	if lastID != "" {
		r.Header["Last-Event-Id"] = []string{lastID}
	}
	w := httptest.NewRecorder()
	Handler(opts).ServeHTTP(w, r.WithContext(ctx))
	return w
}

// requireRefusal checks a bad request's answer: short, text, and the same whatever was sent.
func requireRefusal(t *testing.T, w *httptest.ResponseRecorder) {
	t.Helper()
	require.Equal(t, http.StatusBadRequest, w.Code)
	require.Less(t, w.Body.Len(), 1000)
	require.True(t, utf8.Valid(w.Body.Bytes()))
}

// FuzzHistory asks for pages of the history with any query. A page holds what was asked for, in order and within its bounds,
// and following next reads every event once.
func FuzzHistory(f *testing.F) {
	for _, query := range []string{
		"", "limit=5", "limit=501", "limit=-1", "before=3&worker=a", "before=18446744073709551615", "since=24h&kind=fault,healed", "since=2026-03-01T12:00:00Z",
		"since=2562047h", "since=-1s", "kind=,", "limit=%zz", "limit=1;before=2", "worker=%ff&kind=fault&kind=no", "since=0000-01-01T00:00:00%2b23:59",
	} {
		f.Add(query)
	}
	f.Fuzz(func(t *testing.T, query string) {
		opts := options()
		opts.History = historyOf(7)
		seen := map[uint64]bool{}
		for {
			w := ofAnyKind(t.Context(), opts, "/api/v1/history", query, "")
			if w.Code != http.StatusOK {
				requireRefusal(t, w)
				return
			}
			var got historyJSON
			require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
			requirePage(t, got, query, seen)
			if got.Next == "" {
				return
			}
			values, _ := url.ParseQuery(query)
			values.Set("before", got.Next)
			query = values.Encode()
		}
	})
}

func requirePage(t *testing.T, got historyJSON, query string, seen map[uint64]bool) {
	t.Helper()
	asked, _ := url.ParseQuery(query) // a part that cannot be read counts as absent, as for the server
	limit := defaultPage
	if text := asked.Get("limit"); text != "" {
		var err error
		limit, err = strconv.Atoi(text)
		require.NoError(t, err)
	}
	require.LessOrEqual(t, len(got.Events), limit)
	for i, e := range got.Events {
		require.False(t, seen[e.ID], "returned twice")
		seen[e.ID] = true
		require.True(t, i == 0 || e.ID < got.Events[i-1].ID, "newest first")
		if worker := asked.Get("worker"); worker != "" {
			require.Equal(t, worker, string(e.Key))
		}
		if kinds := strings.Join(asked["kind"], ","); kinds != "" {
			require.Contains(t, kinds, string(e.Kind))
		}
	}
}

// FuzzResume opens the stream of events from any point. What comes is a stream of server-sent events with rising IDs above
// that point, after a gap where there may be one.
func FuzzResume(f *testing.F) {
	for _, id := range []string{"", "0", "1", "5", "99", "18446744073709551615", "18446744073709551616", "-1", "1e3", "\xff", "null"} {
		f.Add(id, "")
		f.Add("", "after="+id)
	}
	log := historyOf(7)
	f.Fuzz(func(t *testing.T, id, query string) {
		ctx, gone := context.WithCancel(t.Context())
		gone() // a client that goes once it has what there is
		opts := options()
		opts.History = log
		w := ofAnyKind(ctx, opts, "/api/v1/events", query, id)
		if w.Code != http.StatusOK {
			requireRefusal(t, w)
			return
		}
		if id == "" {
			values, _ := url.ParseQuery(query)
			id = values.Get("after")
		}
		after := log.Last()
		if id != "" {
			var err error
			after, err = strconv.ParseUint(id, 10, 64)
			require.NoError(t, err)
		}
		requireStream(t, w.Body.String(), after, log)
	})
}

func requireStream(t *testing.T, text string, after uint64, log *history.Log) {
	t.Helper()
	require.True(t, utf8.ValidString(text))
	blocks := strings.Split(strings.TrimSuffix(text, "\n\n"), "\n\n")
	require.True(t, strings.HasPrefix(blocks[0], "retry: "))
	events, last := 0, after
	for _, block := range blocks[1:] {
		fields := map[string]string{}
		for line := range strings.SplitSeq(block, "\n") {
			name, value, ok := strings.Cut(line, ": ")
			require.True(t, ok, line)
			fields[name] = value
		}
		require.True(t, json.Valid([]byte(fields["data"])))
		switch fields["event"] {
		case "gap":
			last = 0
		case "view":
		default:
			id, err := strconv.ParseUint(fields["id"], 10, 64)
			require.NoError(t, err)
			require.Greater(t, id, last)
			last = id
			events++
		}
	}
	require.Len(t, log.Page(history.Query{Limit: 1000}), 7)
	require.LessOrEqual(t, events, 7)
	require.Equal(t, log.Last(), max(last, log.Last()), "the end is reached and not passed")
}
