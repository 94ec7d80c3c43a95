// Package service decides how many replicas the services of a Swarm have, and restarts tasks that Swarm lost.
//
// It is pure: it takes now and values, and returns values. Its caller polls the Swarm, asks the sources and sends the updates. One round is See,
// the answers of the sources that are Due, the tasks that are Wanted, and the Changes with their results. Only the leader decides, and only on
// what See received in the same round. A Change has the version of the service that See received: the engine refuses it if another client, such
// as another Stoker, has changed the service since.
package service

import "time"

// Role is the role of the engine in its Swarm.
type Role uint8

// The roles.
const (
	RoleUnknown  Role = iota // not asked yet, or no answer
	RoleNone                 // in no Swarm
	RoleWorker               // a node that is no manager
	RoleFollower             // a manager that does not lead
	RoleLeader
)

// String returns the role as one word.
func (r Role) String() string {
	switch r {
	case RoleUnknown:
		return "unknown"
	case RoleNone:
		return "no-swarm"
	case RoleWorker:
		return "no-manager"
	case RoleFollower:
		return "follower"
	case RoleLeader:
		return "leader"
	}
	return "unknown"
}

// Poll is the result of one poll of the Swarm.
type Poll struct {
	Role     Role
	Services []Service // RoleLeader
	Err      string    // why nothing is known; RoleUnknown
}

// Service is a service as the engine reports it.
type Service struct {
	ID         string
	Name       string
	Version    uint64 // of the engine: an update with an older version is refused
	Spec       []byte // as the engine returned it
	Labels     map[string]string
	Replicated bool // otherwise it has no number of replicas
	Replicas   int
	Running    int    // tasks that run; Unknown if the engine does not report it
	Condition  string // restart condition: none, on-failure or any
	Updating   bool   // an update or rollback is in progress or paused
}

// Unknown is a number of tasks that the engine does not report (before API 1.41).
const Unknown = -1

// Task is a task of a service.
type Task struct {
	Container string
	State     string
	Err       string
}

// Loss is a task on this node that was unhealthy and exited with 0. Swarm takes it for complete, and does not replace it under the condition
// on-failure.
type Loss struct {
	Service   string // its name
	Container string
	At        time.Time
}

// Change is one update of a service.
type Change struct {
	ID, Name string
	Version  uint64
	Spec     []byte // sent unchanged except for the change
	From, To int    // replicas; equal if only ForceUpdate changes
	Force    bool   // replace the tasks: TaskTemplate.ForceUpdate is incremented
}

// Result is the result of a Change.
type Result uint8

// The results.
const (
	Done     Result = iota
	Conflict        // another client changed the service: nothing was done
	Refused         // nothing was done
	Lost            // unknown whether it was done
)

// State is the state of Stoker's scaling of a service.
type State string

// The states.
const (
	StateWaiting  State = "waiting"    // no source has answered yet
	StateScaled   State = "scaled"     // Stoker sets its replicas
	StateUpdating State = "updating"   // an update is in progress, and nothing is changed until it ends
	StateByHand   State = "by-hand"    // another client has set its replicas, which stay until another number is wanted
	StateLabels   State = "bad-labels" // its labels are wrong
	StateRefused  State = "refused"    // the engine refuses the update; it is sent again
	StateDryRun   State = "dry-run"    // a change is due, and is not sent
)
