package worker

// Call is the engine call of a RecreateStep: one request, or a short sequence without a decision in it.
type Call string

// The calls of a RecreateStep.
const (
	CallInspect Call = "inspect" // only the inspects of Observe
	CallCreate  Call = "create"  // read what the container needs, build the request, create
	CallConnect Call = "connect" // to the networks that the create could not include
	CallCopy    Call = "copy"    // files that docker compose copied in
	CallCompare Call = "compare" // the new container with the old one
	CallCollect Call = "collect" // collect Action.Evidence, as Collect does; it never fails
	CallStop    Call = "stop"
	CallStart   Call = "start"
	CallRename  Call = "rename"
	CallRemove  Call = "remove" // without force and without volumes
)

// RecreateCall is what a RecreateStep does. The engine carries it out and then inspects the containers in Observe, also after a
// failure.
type RecreateCall struct {
	Transaction uint64 // the same in all steps of one transaction
	Step        string // purpose of the call, for people and tests
	Do          Call
	ID          string            // the container that the call is about
	Name        Key               // CallCreate, CallRename: the name to set
	OldID       string            // CallCreate, CallCopy: the container to be replaced
	OldGone     bool              // CallCreate: it does not exist any more
	Like        []byte            // CallCreate, CallCompare: the inspect of the old container
	Marks       map[string]string // CallCreate: labels of the transaction
	Plan        *Plan             // CallConnect, CallCopy, CallCompare: the plan of CallCreate; nil after a crash of Stoker
	Observe     []string          // IDs and names
}

// Plan is what a CallCreate found and later calls need.
type Plan struct {
	Connect bool // networks remain for a CallConnect
	Copy    bool // files remain for a CallCopy
	Data    any  // the engine's own
}

// StepReport is what a RecreateStep found besides its Result. With Result Failed and CannotRecreate the new container would
// differ from the old one, or something that it needs is gone.
type StepReport struct {
	// Seen has an inspect for each entry of Observe. A container without an entry does not exist. Nil: the inspects failed.
	Seen      map[string]Snapshot
	NewID     string // CallCreate
	Plan      *Plan  // CallCreate, also if the create request was not answered
	Sent      bool   // a request that changes something was sent
	NameTaken bool   // CallCreate: another container has the name
	Forbidden bool   // a proxy always blocks the request
	// Notes list how the new container differs from the old one.
	Notes []string
}
