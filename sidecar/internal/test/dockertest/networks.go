package dockertest

import (
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/docker/docker/api/types/network"
)

// networks are those that a container is connected to, sorted.
func (d Details) networks() []string {
	if b := d.Spec.Body; b != nil {
		names := slices.AppendSeq(make([]string, 0, len(b.Networks)), maps.Keys(b.Networks)) // never nil, which means unknown
		slices.Sort(names)
		return names
	}
	return d.Connected
}

// networks are those that a container without a body is created with.
func (s Spec) networks() []string {
	switch {
	case strings.HasPrefix(s.NetworkMode, containerMode):
		return []string{}
	case s.Networks == nil:
		return []string{network.NetworkBridge}
	}
	return slices.Sorted(slices.Values(s.Networks))
}

// modeNetwork is the network of the mode.
func (s Spec) modeNetwork() string {
	if names := s.networks(); len(names) > 0 {
		return names[0]
	}
	return ""
}

// publishes reports whether a container has its port on the host while it runs: without a network there is nothing to publish it on.
func (c *container) publishes(port int) bool {
	return port != 0 && c.Spec.HostPort == port && len(c.networks()) > 0
}

// portProblem is why a container's port cannot be published. Each try has an endpoint of its own, so that no two texts are the same.
func (w *World) portProblem(c *container) *Error {
	port := c.Spec.HostPort
	if !c.publishes(port) || !w.portTaken(port, c) {
		return nil
	}
	return refuse(http.StatusInternalServerError,
		"driver failed programming external connectivity on endpoint %s (%s): Error starting userland proxy: "+
			"listen tcp4 0.0.0.0:%d: bind: address already in use", c.Name, longID(w.roll(c.ID+"endpoint")), port)
}

// loseNetwork is what a start does whose port cannot be published, on an engine from 29.1 to 29.7.2 (moby/moby#51758): the endpoint that
// failed is removed from the container for good. Which of several that is was not always the same.
func (w *World) loseNetwork(c *container, by Actor) {
	if names := c.networks(); w.config.LosesNetworks && len(names) > 0 {
		c.detach(names[w.roll(c.ID+"lost")%uint64(len(names))])
		c.loss.At = w.now
		for _, change := range []*Change{&c.loss.Connected, &c.loss.Disconnected} {
			if change.LostAt.IsZero() {
				change.LostAt = w.now
			}
		}
		c.loss.ByOperator = c.loss.ByOperator || by == ByOperator
	}
}

// Loss is when a container, or the one that it replaced, last lost a network in a start that failed, whether one of those was an operator's,
// and when an operator last connected it to a network of its own choice, or to one that it had lost, or disconnected it.
type Loss struct {
	At           time.Time
	ByOperator   bool
	Connected    Change
	Reconnected  Change
	Disconnected Change
}

// Change is what an operator did to the networks of a container.
type Change struct {
	At time.Time
	ID string // of the container, which may have been replaced since
	// LostAt is when a network was lost for the first time since, and LostBefore the last time before it; zero if none was.
	LostAt     time.Time
	LostBefore time.Time
}

// LoseNetworks makes the engine one that loses networks from now on.
func (w *World) LoseNetworks() { w.config.LosesNetworks = true }

func (c *container) detach(name string) {
	if b := c.Spec.Body; b != nil {
		delete(b.Networks, name)
		return
	}
	c.Connected = slices.DeleteFunc(slices.Clone(c.Connected), func(other string) bool { return other == name })
}

// connect is on paper only while the container does not run; then it may be asked for twice. One that runs has to publish its port.
func (c *container) connect(name string, settings *network.EndpointSettings) *Error {
	if slices.Contains(c.networks(), name) {
		if !c.Running {
			return nil
		}
		return refuse(http.StatusForbidden, "endpoint with name %s already exists in network %s", c.Name, name)
	}
	if settings == nil {
		settings = &network.EndpointSettings{}
	}
	before := c.networks()
	if b := c.Spec.Body; b != nil {
		if b.Networks == nil {
			b.Networks = map[string]*network.EndpointSettings{}
		}
		b.Networks[name] = settings
	} else {
		c.Connected = slices.Sorted(slices.Values(append(slices.Clone(c.Connected), name)))
	}
	if c.Running && len(before) == 0 {
		if err := c.w.portProblem(c); err != nil {
			c.detach(name)
			return err
		}
	}
	return nil
}

// disconnect does not change ports: no container here publishes a port that another network has as well.
func (c *container) disconnect(name string) *Error {
	if !slices.Contains(c.networks(), name) {
		return refuse(http.StatusForbidden, "container %s is not connected to network %s", c.ID, name)
	}
	c.detach(name)
	return nil
}

// Connect connects a container to a network.
func (o Operator) Connect(ref, name string) *Answer {
	return o.send(Request{Op: OpConnect, Ref: ref, furnish: func(c *container) *Error {
		missing := !slices.Contains(c.networks(), name)
		err := c.connect(name, nil)
		switch change := (Change{At: c.w.now, ID: c.ID, LostBefore: c.loss.At}); {
		case err != nil:
		case !slices.Contains(*c.given, name):
			c.loss.Connected = change
			*c.given = append(*c.given, name)
		case missing:
			c.loss.Reconnected = change
		}
		return err
	}})
}

// Disconnect disconnects it. It is refused where a failed start has done so before.
func (o Operator) Disconnect(ref, name string) *Answer {
	return o.send(disconnection(ref, name))
}

func disconnection(ref, name string) Request {
	return Request{Op: OpDisconnect, Ref: ref, furnish: func(c *container) *Error {
		err := c.disconnect(name)
		if err == nil {
			c.loss.Disconnected = Change{At: c.w.now, ID: c.ID, LostBefore: c.loss.At}
			*c.given = slices.DeleteFunc(slices.Clone(*c.given), func(other string) bool { return other == name })
		}
		return err
	}}
}

// aboutNetworks reports whether an engine's message is that of a start whose port could not be published.
func aboutNetworks(message string) bool {
	return strings.Contains(message, "driver failed programming external connectivity")
}
