package docker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/docker/docker/api/types/container"
	"github.com/docker/docker/api/types/versions"
	"github.com/docker/docker/client"

	"stoker/sidecar/internal/core/worker"
	"stoker/sidecar/internal/engine/docker/recreate"
	"stoker/sidecar/internal/engine/docker/spec"
)

// newestToRead is the last API version whose inspect tells all that it takes to make a container anew (package spec).
const newestToRead = "1.51"

// toRecreate is the client of the session, or one that speaks an older version where that one's is too new.
func (c *Client) toRecreate() recreate.API {
	api := c.api.Load()
	if versions.LessThanOrEqualTo(api.ClientVersion(), newestToRead) {
		return api
	}
	older, err := c.apiWith(client.WithVersion(newestToRead))
	if err != nil { // the same options have made the other one
		return api
	}
	return older
}

// recreate recreates the container. An earlier try's leftover is finished or undone before anything else.
func (c *Client) recreate(ctx context.Context, out *worker.Outcome) {
	defer c.heard.forget(out.Action.ID)
	asked, s := withResponse(ctx)
	c.concludeAnew(out, s, c.anew.Do(asked, c.request(out.Action)))
}

// resume finishes or undoes what a transaction left behind. Where there is nothing, it tells who has the name.
func (c *Client) resume(ctx context.Context, out *worker.Outcome) {
	defer c.heard.forget(out.Action.ID)
	asked, s := withResponse(ctx)
	result := c.anew.Resume(asked, c.request(out.Action))
	if result.Outcome != recreate.Nothing {
		c.concludeAnew(out, s, result)
		return
	}
	c.inspectRef(ctx, out, string(out.Action.Key))
	if out.Snapshot != nil && out.Snapshot.Key != out.Action.Key { // found by an ID that begins like the name
		out.Snapshot, out.Missing = nil, true
	}
	if out.Missing {
		out.Result, out.Err = worker.Done, ""
	}
}

func (c *Client) request(a worker.Action) recreate.Request {
	return recreate.Request{
		Name: string(a.Key), OldID: a.Incarnation.ID, Definition: a.Definition, Grace: a.Grace, Names: namesOf(a.Names),
		StayDown: func(own func(id string) bool) bool { return c.heard.stopped(a.ID, own) },
		Accept:   func(inspect []byte) error { return accept(a, inspect) },
	}
}

func namesOf(keys map[string]worker.Key) map[string]string {
	names := make(map[string]string, len(keys))
	for id, key := range keys {
		names[id] = string(key)
	}
	return names
}

// accept says why a container is not the one that a recreate was decided on.
func accept(a worker.Action, inspect []byte) error {
	if len(a.Definition) > 0 {
		return errors.New("it is there after all")
	}
	s, err := readSnapshot(inspect)
	if err != nil {
		return err
	}
	if s.Status.Down() {
		s.Status, a.OnlyIfUnhealthy = worker.StatusRunning, false // a down one may be recreated as well
	}
	if a.Incarnation.StartedAt.IsZero() { // decided by a Stoker of which nothing is remembered
		a.Incarnation.StartedAt = s.StartedAt
	}
	if why := refusal(a, s); why != "" {
		return errors.New(why)
	}
	return nil
}

func readSnapshot(inspect []byte) (worker.Snapshot, error) {
	var in container.InspectResponse
	if err := json.Unmarshal(inspect, &in); err != nil {
		return worker.Snapshot{}, fmt.Errorf("read the inspect of a container: %w", err)
	}
	return translateInspect(in, inspect)
}

// concludeAnew says in the words of an action how a transaction ended.
func (c *Client) concludeAnew(out *worker.Outcome, s *response, r recreate.Result) {
	out.Snapshot, out.Err = holder(r), words(r)
	switch {
	case r.Outcome == recreate.Unknown && !r.Untouched:
		out.Result = worker.Unknown
	case r.StoodDown:
		out.Result, out.OperatorStopped = worker.Failed, true
		out.Missing = r.Outcome == recreate.Lost
	case r.Outcome == recreate.Done, r.Outcome == recreate.Unproven:
		out.Result = worker.Done
	case r.Outcome == recreate.Busy:
		out.Result, out.Snapshot = worker.Refused, nil
	case r.Outcome == recreate.Refused:
		refused(out, r)
	case r.Untouched: // a question was not answered, or with a no
		c.failed(out, s, c.fail("make the container anew", s, r.Err))
		out.CannotRecreate = s.status == http.StatusForbidden // by a proxy, and so at every try
	default: // Undone, Lost
		out.Result, out.Missing = worker.Failed, r.Outcome == recreate.Lost
		out.CannotRecreate = r.Outcome == recreate.Undone && s.status == http.StatusForbidden // the create was
	}
}

// refused tells what may be otherwise at the next look from what will not.
func refused(out *worker.Outcome, r recreate.Result) {
	var declined recreate.Declined
	switch {
	case r.Gone && len(out.Action.Definition) == 0:
		out.Result, out.Missing, out.Snapshot = worker.Failed, true, nil
	case errors.As(r.Err, &declined) && declined.Changed:
		out.Result = worker.Refused
	default:
		out.Result, out.CannotRecreate = worker.Failed, true
	}
}

// holder is the worker's container as the transaction left it; nil when a stranger has its name, or nobody.
func holder(r recreate.Result) *worker.Snapshot {
	ours := r.ID == r.OldID || r.Outcome == recreate.Done || r.Outcome == recreate.Unproven
	if r.ID == "" || !ours || len(r.Inspect) == 0 {
		return nil
	}
	s, err := readSnapshot(r.Inspect)
	if err != nil {
		return nil
	}
	return &s
}

// words are what people should know of a transaction, also of one that succeeded.
func words(r recreate.Result) string {
	var all []string
	if r.Err != nil {
		all = append(all, r.Err.Error())
	}
	if r.Leftover != "" {
		all = append(all, "the old container "+r.Leftover+" is still there")
	}
	if r.Outcome == recreate.Done || r.Outcome == recreate.Unproven {
		for _, note := range r.Notes {
			if worthTelling(note) {
				all = append(all, note.Field+": "+note.Text)
			}
		}
	}
	return strings.Join(all, "; ")
}

// worthTelling leaves out what is so after nearly every recreate, and changes nothing for the worker: that anonymous
// volumes have names now, and that the engine chooses host ports anew, which it does at every start.
func worthTelling(n spec.Note) bool { return n.Hazard != "R12" && n.Hazard != "R31" }
