package web

import (
	"encoding/json"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
)

// historyOf returns a history of n events about two workers.
func historyOf(n int) *history.Log {
	log := history.New(history.Options{})
	for k := range n {
		log.Record([]worker.Event{{At: time.Now(), Kind: worker.EventKinds()[k%3], Key: worker.Key([]string{"a", "b"}[k%2]), HealDetails: worker.HealDetails{Attempt: k}}})
	}
	return log
}

// page is the answer to a query that is a good one.
func page(t *testing.T, h http.Handler, query string) (attempts []int, next string) {
	t.Helper()
	w := ask(t, h, http.MethodGet, "/api/v1/history"+query)
	require.Equal(t, http.StatusOK, w.Code, w.Body.String())
	var got struct {
		Events []struct {
			Attempt int
		}
		Next string
	}
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
	require.NotNil(t, got.Events)
	for _, e := range got.Events {
		attempts = append(attempts, e.Attempt)
	}
	return attempts, got.Next
}

func TestHistoryPages(t *testing.T) {
	opts := options()
	opts.History = historyOf(12)
	h := Handler(opts)
	var all []int
	next, pages := "", 0
	for {
		query := "?limit=5"
		if next != "" {
			query += "&before=" + next
		}
		var got []int
		got, next = page(t, h, query)
		all = append(all, got...)
		pages++
		if next == "" {
			break
		}
	}
	require.Equal(t, 3, pages)
	require.Equal(t, []int{11, 10, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0}, all)

	got, next := page(t, h, "?worker=a&kind=managed,unmanaged&kind=problem&since=1h&limit=6")
	require.Equal(t, []int{10, 8, 6, 4, 2, 0}, got)
	require.Empty(t, next, "six and no more")
	got, _ = page(t, h, "?kind=problem&worker=b")
	require.Equal(t, []int{11, 5}, got)
	got, _ = page(t, h, "?since="+time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	require.Empty(t, got)
	got, _ = page(t, h, "?worker=%00%ff%3Cscript%3E")
	require.Empty(t, got)

	opts.History = historyOf(defaultPage + 1)
	got, next = page(t, Handler(opts), "")
	require.Len(t, got, defaultPage)
	require.NotEmpty(t, next)
}

func TestBadQueries(t *testing.T) {
	h := Handler(options())
	for _, query := range []string{
		"limit=0", "limit=-1", "limit=501", "limit=all", "limit=99999999999999999999", "before=0", "before=-1", "before=x",
		"before=18446744073709551616", "since=yesterday", "since=-1h", "since=2026-03-01", "kind=heal", "kind=,", "kind=fault,%00",
		"kind=" + strings.Repeat("x", 4000),
	} {
		w := ask(t, h, http.MethodGet, "/api/v1/history?"+query)
		require.Equal(t, http.StatusBadRequest, w.Code, query)
		var got failureJSON
		require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
		name, _, _ := strings.Cut(query, "=")
		require.True(t, strings.HasPrefix(got.Error, name+": "), got.Error)
		require.Less(t, len(got.Error), 500)
	}
}

// What a container prints goes through escaped, bounded and valid.
func TestHostileEvents(t *testing.T) {
	opts := options()
	opts.History = history.New(history.Options{})
	for _, text := range []string{"</script><script>", "\x00\x1b[2J\r\n", "\xff\xfe", strings.Repeat("\xff", 100_000), "\u2028event: x\n\ndata: y"} {
		opts.History.Record([]worker.Event{{Kind: worker.EventHealFailed, Key: "burner", HealDetails: worker.HealDetails{Output: text}, Detail: text}})
	}
	w := ask(t, Handler(opts), http.MethodGet, "/api/v1/workers/burner")
	require.Equal(t, http.StatusOK, w.Code)
	require.NotContains(t, w.Body.String(), "<script>")
	require.Less(t, w.Body.Len(), 20_000)
	var got struct{ Events []map[string]any }
	require.NoError(t, json.Unmarshal(w.Body.Bytes(), &got))
	require.Len(t, got.Events, 5)
	require.Equal(t, "</script><script>", got.Events[4]["output"])
	require.Equal(t, "\x00\x1b[2J\r\n", got.Events[3]["output"])
}
