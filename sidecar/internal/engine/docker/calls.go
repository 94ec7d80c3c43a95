package docker

import (
	"regexp"
	"slices"
	"strings"
)

// lack is what Stoker cannot do where a call is refused.
type lack string

// The lacks, worst first. Without one of the first two Stoker cannot work.
const (
	lacksView       lack = "Stoker cannot see the containers"
	lacksHeals      lack = "Stoker cannot heal workers"
	lacksClock      lack = "Stoker asks for the engine's info instead"
	lacksBoot       lack = "Stoker cannot distinguish the stops of an engine's own boot from an operator's"
	lacksCause      lack = "Stoker cannot distinguish a stop from an exit, and holds workers that exited with 0, 137 or 143"
	lacksStats      lack = "Stoker cannot distinguish starved, hung and idle workers, and cannot read their memory"
	lacksEvidence   lack = "Stoker keeps less evidence of a worker that it heals"
	lacksCommands   lack = "Stoker cannot run stoker.before-stop"
	lacksQuotas     lack = "Stoker cannot set quotas"
	lacksRecreates  lack = "Stoker cannot recreate workers and restarts them instead"
	lacksDependents lack = "Stoker cannot restart dependents"
	lacksFiles      lack = "Stoker cannot probe files in workers"
	lacksTasks      lack = "Stoker cannot kill tasks that Swarm leaves alone"
	lacksServices   lack = "stoker check does not show the services of a Swarm"
	lacksUpdates    lack = "Stoker kills such tasks also while their service is being updated"
	lacksLeader     lack = "Stoker does not detect whether this manager leads, and scales no service"
	lacksScaling    lack = "Stoker cannot scale services, nor bring lost tasks back"
	lacksReasons    lack = "Stoker does not show why tasks of a service do not run, and does not replace lost ones"
)

func lacks() []lack {
	return []lack{
		lacksView, lacksHeals, lacksClock, lacksBoot, lacksCause, lacksStats, lacksEvidence, lacksCommands, lacksQuotas, lacksRecreates, lacksDependents, lacksFiles,
		lacksTasks, lacksUpdates, lacksServices, lacksLeader, lacksScaling, lacksReasons,
	}
}

// necessary reports whether Stoker is of no use without it.
func (l lack) necessary() bool { return l == lacksView || l == lacksHeals }

// call is one call of the API that Stoker makes.
type call struct {
	name    string // as the documentation has it
	path    string // regular expression for what comes after the version
	without lack
	// settings are those of docker-socket-proxy (Tecnativa), the most common proxy, that allow the call (its haproxy.cfg of 2025).
	settings []string
	// session: sent at the start of a session; a refusal ends the session with an error of its own.
	session bool
}

// calls are all that Stoker makes. TestCallsAreKnown compares them with the documentation.
func calls() []call {
	const one = `containers/[^/]+`
	containers, changes := []string{"CONTAINERS=1"}, []string{"CONTAINERS=1", "POST=1"}
	return []call{
		{"GET /_ping", `_ping`, lacksClock, []string{"PING=1"}, false},
		{"GET /info", `info`, lacksView, []string{"INFO=1"}, true},
		{"GET /events", `events`, lacksView, []string{"EVENTS=1"}, true},
		{"GET /networks/bridge", `networks/bridge`, lacksBoot, []string{"NETWORKS=1"}, false},
		{"GET /containers/json", `containers/json`, lacksView, containers, true},
		{"GET /containers/{id}/json", one + `/json`, lacksView, containers, false},
		{"POST /containers/{id}/start", one + `/start`, lacksHeals, changes, false},
		{"POST /containers/{id}/stop", one + `/stop`, lacksHeals, changes, false},
		{"GET /containers/{id}/stats", one + `/stats`, lacksStats, containers, false},
		{"POST /containers/{id}/update", one + `/update`, lacksQuotas, changes, false},
		{"GET /libpod/containers/{id}/json", `libpod/` + one + `/json`, lacksCause, containers, false},
		{"GET /version", `version`, lacksRecreates, []string{"VERSION=1"}, false},
		{"GET /images/{id}/json", `images/.+/json`, lacksRecreates, []string{"IMAGES=1"}, false},
		{"GET /volumes/{name}", `volumes/[^/]+`, lacksRecreates, []string{"VOLUMES=1"}, false},
		{"GET /networks/{name}", `networks/[^/]+`, lacksRecreates, []string{"NETWORKS=1"}, false},
		{"GET /containers/{id}/changes", one + `/changes`, lacksRecreates, containers, false},
		{"GET /containers/{id}/archive", one + `/archive`, lacksRecreates, containers, false},
		{"HEAD /containers/{id}/archive", one + `/archive`, lacksFiles, containers, false},
		{"PUT /containers/{id}/archive", one + `/archive`, lacksRecreates, changes, false},
		{"POST /containers/create", `containers/create`, lacksRecreates, changes, false},
		{"POST /networks/{name}/connect", `networks/[^/]+/connect`, lacksRecreates, []string{"NETWORKS=1", "POST=1"}, false},
		{"POST /containers/{id}/rename", one + `/rename`, lacksRecreates, changes, false},
		{"DELETE /containers/{id}", one, lacksRecreates, changes, false},
		{"GET /containers/{id}/top", one + `/top`, lacksEvidence, containers, false},
		{"GET /containers/{id}/logs", one + `/logs`, lacksEvidence, containers, false},
		{"POST /containers/{id}/exec", one + `/exec`, lacksCommands, append([]string{"EXEC=1"}, changes...), false},
		{"POST /exec/{id}/start", `exec/[^/]+/start`, lacksCommands, []string{"EXEC=1", "POST=1"}, false},
		{"GET /exec/{id}/json", `exec/[^/]+/json`, lacksCommands, []string{"EXEC=1"}, false},
		{"POST /containers/{id}/kill", one + `/kill`, lacksTasks, changes, false},
		{"GET /services", `services`, lacksServices, []string{"SERVICES=1"}, false},
		{"GET /services/{id}", `services/[^/]+`, lacksUpdates, []string{"SERVICES=1"}, false},
		{"GET /nodes/{id}", `nodes/[^/]+`, lacksLeader, []string{"NODES=1"}, false},
		{"GET /tasks", `tasks`, lacksReasons, []string{"TASKS=1"}, false},
		{"POST /services/{id}/update", `services/[^/]+/update`, lacksScaling, []string{"SERVICES=1", "POST=1"}, false},
		{"POST /containers/{id}/restart", one + `/restart`, lacksDependents, changes, false},
	}
}

// directory maps requests to calls.
type directory struct {
	all      []call
	patterns []*regexp.Regexp
}

func newDirectory() directory {
	d := directory{all: calls()}
	for _, c := range d.all {
		d.patterns = append(d.patterns, regexp.MustCompile(`^(?:.*/v[0-9.]+/|/)`+c.path+`$`))
	}
	return d
}

// find returns the call of a request. A request that is not in the list is a call of its own, which nothing needs.
func (d directory) find(method, path string) call {
	at := d.index(method, path)
	if at < 0 && method == "HEAD" {
		at = d.index("GET", path)
	}
	if at < 0 {
		return call{name: method + " " + path}
	}
	return d.all[at]
}

func (d directory) index(method, path string) int {
	return slices.IndexFunc(d.all, func(c call) bool {
		verb, _, _ := strings.Cut(c.name, " ")
		return verb == method && d.pattern(c).MatchString(path)
	})
}

func (d directory) pattern(of call) *regexp.Regexp {
	return d.patterns[slices.IndexFunc(d.all, func(c call) bool { return c.name == of.name })]
}
