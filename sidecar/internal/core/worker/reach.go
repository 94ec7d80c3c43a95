package worker

import "slices"

// Reach is the position of a container on the engine's networks, from an inspect.
type Reach struct {
	Endpoints []Endpoint // by network
	Host      bool       // it is in the host's network
	Inside    string     // the container whose network it shares; empty for its own
}

// Endpoint is a container's endpoint in one network.
type Endpoint struct {
	Network   string // its ID
	Addresses []string
}

// Loopback returns the addresses of a container in the same network namespace.
func Loopback() []string { return []string{"127.0.0.1", "::1"} }

// From returns the addresses at which a container can be reached from another one: those in common networks, or all if the other
// one is in the host's network, which reaches all bridges. It is nil if there are none. It ignores Inside of both.
func (r Reach) From(other Reach) []string {
	if r.Host && other.Host {
		return Loopback()
	}
	var all []string
	for _, e := range r.Endpoints {
		shared := slices.ContainsFunc(other.Endpoints, func(o Endpoint) bool { return o.Network == e.Network && e.Network != "" })
		if shared || other.Host {
			all = append(all, e.Addresses...)
		}
	}
	return all
}
