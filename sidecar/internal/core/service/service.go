// Package service decides how many replicas the services of a Swarm have, and brings back tasks that Swarm lost.
//
// It is pure: it takes now and values, and returns values. Who looks at the Swarm, asks the sources and sends the updates is elsewhere. One round
// is See, the answers of the sources that are Due, the tasks that are Wanted, and the Changes with what became of them. A Change is decided on
// what See was told in the same round and by the leader alone, and names the version of the service that it was told: the engine refuses it
// when anybody, another Stoker included, has changed the service since.
package service

import "time"

// Role is what the engine at hand is in its Swarm.
type Role uint8

// The roles.
const (
	RoleUnknown  Role = iota // it was not asked yet, or does not answer
	RoleNone                 // it is in no Swarm
	RoleWorker               // a node that is no manager
	RoleFollower             // a manager that does not lead
	RoleLeader
)

// String is the role in one word.
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

// Look is what one look at the Swarm shows.
type Look struct {
	Role     Role
	Services []Service // RoleLeader
	Err      string    // why nothing is known; RoleUnknown
}

// Service is a service as the engine has it.
type Service struct {
	ID         string
	Name       string
	Version    uint64 // of the engine: an update that names an older one is refused
	Spec       []byte // as the engine gave it
	Labels     map[string]string
	Replicated bool // else it has no number of replicas
	Replicas   int
	Running    int    // tasks that run; Unknown where the engine does not tell
	Condition  string // of a restart: none, on-failure or any
	Updating   bool   // an update or its way back is under way, or was paused
}

// Unknown is a number of tasks that the engine does not tell (before API 1.41).
const Unknown = -1

// Task is a task of a service.
type Task struct {
	Container string
	State     string
	Err       string
}

// Loss is a task on this node that was unhealthy and ended with 0, which is complete to Swarm: under the condition on-failure it is not replaced.
type Loss struct {
	Service   string // its name
	Container string
	At        time.Time
}

// Change is one update of a service.
type Change struct {
	ID, Name string
	Version  uint64
	Spec     []byte // to be sent as it is, but for the change
	From, To int    // replicas; equal when it is ForceUpdate alone
	Force    bool   // replace the tasks: TaskTemplate.ForceUpdate goes up by one
}

// Result is what became of a Change.
type Result uint8

// The results.
const (
	Done     Result = iota
	Conflict        // somebody has changed the service since: nothing was done
	Refused         // nothing was done
	Lost            // whether it was done is not known
)

// State is what is done about the replicas of a service.
type State string

// The states.
const (
	StateWaiting  State = "waiting"    // no source has answered yet
	StateScaled   State = "scaled"     // Stoker sets its replicas
	StateUpdating State = "updating"   // an update is under way, and nothing is changed before its end
	StateByHand   State = "by-hand"    // somebody else has set its replicas, which stay until another number is wanted
	StateLabels   State = "bad-labels" // its labels are wrong
	StateRefused  State = "refused"    // the engine does not take the update; it is sent again
	StateDryRun   State = "dry-run"    // a change is due, and not sent
)
