package web

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/report/history"
)

// The size of a page of the history.
const (
	defaultPage = 100
	maxPage     = 500
)

// historyJSON is one page, newest first.
type historyJSON struct {
	Events []history.Entry `json:"events"`
	Next   string          `json:"next"` // the value of before for the next page; empty when there is none
}

func (s *site) history(w http.ResponseWriter, r *http.Request) {
	query, err := queryOf(r.URL.Query(), time.Now())
	if err != nil {
		fail(w, http.StatusBadRequest, err.Error())
		return
	}
	limit := query.Limit
	query.Limit++ // one more reports whether there is another page
	page := historyJSON{Events: s.opts.History.Page(query)}
	if len(page.Events) > limit {
		page.Events = page.Events[:limit]
		page.Next = strconv.FormatUint(page.Events[limit-1].ID, 10)
	}
	write(w, http.StatusOK, page)
}

// queryOf parses the parameters. Its errors show what would be right, and do not repeat the input.
func queryOf(values url.Values, now time.Time) (history.Query, error) {
	q := history.Query{Worker: worker.Key(values.Get("worker")), Limit: defaultPage}
	var err error
	if text := values.Get("before"); text != "" {
		if q.Before, err = strconv.ParseUint(text, 10, 64); err != nil || q.Before == 0 {
			return q, errors.New("before: not the id of an event")
		}
	}
	if text := values.Get("limit"); text != "" {
		if q.Limit, err = strconv.Atoi(text); err != nil || q.Limit < 1 || q.Limit > maxPage {
			return q, fmt.Errorf("limit: a number from 1 to %d", maxPage)
		}
	}
	if text := values.Get("since"); text != "" {
		if q.Since, err = sinceOf(text, now); err != nil {
			return q, err
		}
	}
	for _, text := range values["kind"] {
		for kind := range strings.SplitSeq(text, ",") {
			if !slices.Contains(worker.EventKinds(), worker.EventKind(kind)) {
				return q, fmt.Errorf("kind: one or more, with commas, of %s", kindList())
			}
			q.Kinds = append(q.Kinds, worker.EventKind(kind))
		}
	}
	return q, nil
}

// sinceOf parses a time, or a duration before now.
func sinceOf(text string, now time.Time) (time.Time, error) {
	if ago, err := time.ParseDuration(text); err == nil && ago >= 0 {
		return now.Add(-ago), nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if err != nil {
		return time.Time{}, errors.New("since: a time such as 2026-03-01T12:00:00Z, or how long ago, such as 24h")
	}
	return at, nil
}

func kindList() string {
	var all []string
	for _, kind := range worker.EventKinds() {
		all = append(all, string(kind))
	}
	return strings.Join(all, ", ")
}
