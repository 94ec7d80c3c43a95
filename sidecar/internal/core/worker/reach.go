package worker

import "slices"

// Reach is where a container is on the engine's networks, as an inspect shows it.
type Reach struct {
	Endpoints []Endpoint // by network
	Host      bool       // it is in the network of the host
	Inside    string     // the container whose network it shares; empty for its own
}

// Endpoint is a container's place in one network.
type Endpoint struct {
	Network   string // its ID
	Addresses []string
}

// Loopback stands for a container in the same network namespace.
func Loopback() []string { return []string{"127.0.0.1", "::1"} }

// From returns the addresses at which a container can be reached from another one: those in networks that both are in, or all where the
// other one is in the network of the host, from which bridges can be reached. Nil where there is none. Inside of both is not looked at.
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
