// Package candidates advises the operator of a Stoker that manages no container: which containers were probably meant, which could be managed,
// and the line to add. It is pure.
package candidates

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"stoker/sidecar/internal/core/policy"
)

// Container is a container that is not managed.
type Container struct {
	Name    string
	Labels  map[string]string // with those of its image
	Running bool
	CPUs    float64 // quota in CPUs; 0 is none or unknown
}

// imageTitle is the label of an image's name, and title the value that Stoker's own has.
const (
	imageTitle = "org.opencontainers.image.title"
	title      = "Stoker"
)

// Near is a container that was probably meant to be managed, but is not.
type Near struct {
	Name string
	Why  string // in one line
}

// Quota is a container with a CPU quota, which could be managed.
type Quota struct {
	Name string
	CPUs float64
}

// Advice is the advice of a Stoker that manages nothing. Its lists are sorted by name, running containers first.
type Advice struct {
	Selector   policy.Selector
	Containers int // containers checked, of those that are Possible
	Near       []Near
	Quotas     []Quota
	Self       string // the container of this Stoker; empty outside of one
}

// Possible reports whether a label could make Stoker heal a container with these labels. Stoker never heals another Stoker, a one-off container
// of Compose, or a task of Swarm.
func Possible(labels map[string]string) bool {
	return labels[imageTitle] != title && !policy.SwarmTask(labels) && !policy.OneOff(labels)
}

// Advise checks the containers, none of which the selector selects. Self is the name of the container of this Stoker; empty outside a container.
func Advise(s policy.Selector, self string, all []Container) Advice {
	a := Advice{Selector: s, Self: self}
	all = slices.Clone(all)
	slices.SortFunc(all, func(x, y Container) int {
		return cmp.Or(cmp.Compare(rank(x), rank(y)), cmp.Compare(x.Name, y.Name))
	})
	for _, c := range all {
		if !Possible(c.Labels) {
			continue
		}
		a.Containers++
		if why := near(s, c); why != "" {
			a.Near = append(a.Near, Near{Name: c.Name, Why: why})
		} else if c.CPUs > 0 {
			a.Quotas = append(a.Quotas, Quota{Name: c.Name, CPUs: c.CPUs})
		}
	}
	return a
}

func rank(c Container) int {
	if c.Running {
		return 0
	}
	return 1
}

// near returns why a container labelled for Stoker, or for a similar healer, is not managed; empty for any other.
func near(s policy.Selector, c Container) string {
	verdict := s.Select(policy.Candidate{Labels: c.Labels, CPUs: c.CPUs, QuotaKnown: true})
	switch verdict.Why {
	case policy.WhyNotEnabled:
		return "it has labels of Stoker, but not " + policy.LabelEnable + "=true"
	case policy.WhyDisabled:
		return "its labels exclude it"
	case policy.WhyOtherScope:
		return scopes(s.Scope, c.Labels)
	default: // no label for Stoker, or only a similar one
	}
	if key, value, ok := similar(c.Labels); ok {
		return fmt.Sprintf("its label %.80s=%.20s is none of Stoker's; write %s=true", key, value, policy.LabelEnable)
	}
	if compat := otherHealer(c.Labels); compat != "" {
		return "it has labels of " + string(compat) + ", which STOKER_COMPAT=" + string(compat) + " understands"
	}
	return ""
}

// scopes returns how the scopes of a container and of this Stoker differ.
func scopes(own string, labels map[string]string) string {
	theirs := ""
	for key, value := range labels {
		if strings.EqualFold(strings.TrimSpace(key), policy.LabelScope) {
			theirs = value
		}
	}
	switch {
	case own == "":
		return fmt.Sprintf("it has %s=%.80s, and this Stoker has no STOKER_SCOPE", policy.LabelScope, theirs)
	case theirs == "":
		return "it has no " + policy.LabelScope + ", and this Stoker has STOKER_SCOPE=" + own
	}
	return fmt.Sprintf("it has %s=%.80s, and this Stoker has STOKER_SCOPE=%s", policy.LabelScope, theirs, own)
}

// similar returns a label whose name contains Stoker's, such as stoker, com.example.stoker or enable-stoker, and whose value means yes. A
// container with a misspelt stoker.enable is managed and held, and never gets here.
func similar(labels map[string]string) (key, value string, found bool) {
	for k, v := range labels {
		on, err := policy.ParseBool(v)
		if strings.Contains(strings.ToLower(k), "stoker") && err == nil && on && (key == "" || k < key) {
			key, value, found = k, v, true
		}
	}
	return key, value, found
}

// otherHealer returns the healer whose labels select the container.
func otherHealer(labels map[string]string) policy.Compat {
	for _, compat := range []policy.Compat{policy.CompatAutoheal, policy.CompatDeunhealth} {
		if (policy.Selector{Compat: []policy.Compat{compat}}).Select(policy.Candidate{Labels: labels}).Take {
			return compat
		}
	}
	return ""
}
