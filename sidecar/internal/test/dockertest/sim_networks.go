package dockertest

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"slices"
)

// connectAll connects a container to the networks of an action; false when that has failed, and the outcome is emitted.
func (e *actionRunner) connectAll() bool {
	for _, name := range e.action.Networks {
		r := e.ask(Request{Op: OpConnect, Ref: e.action.Incarnation.ID, furnish: func(c *container) *Error { return c.connect(name, nil) }}, simCall)
		if r.Err != nil && r.Err.Status == http.StatusForbidden { // it is connected
			continue
		}
		if r.Err != nil {
			e.conclude(r)
			return false
		}
	}
	return true
}

// connect is worker.Connect.
func (e *actionRunner) connect() {
	if e.connectAll() {
		e.conclude(Reply{})
	}
}

// networksIn are the networks of a definition.
func networksIn(definition []byte) []string {
	var in struct {
		NetworkSettings struct{ Networks map[string]json.RawMessage }
	}
	if err := json.Unmarshal(definition, &in); err != nil {
		panic(fmt.Sprintf("dockertest: a definition does not decode: %v", err))
	}
	return slices.Sorted(maps.Keys(in.NetworkSettings.Networks))
}

// compare refuses a new container that has other networks than the old one.
func (e *actionRunner) compare() error {
	call := e.action.Call
	if call.Like == nil {
		return nil
	}
	d, err := e.see(call.ID)
	if err != nil || d == nil {
		return err
	}
	if want := networksIn(call.Like); !slices.Equal(want, d.networks()) {
		return unfit{fmt.Sprintf("the new container has networks %v, the old one %v", d.networks(), want)}
	}
	return nil
}
