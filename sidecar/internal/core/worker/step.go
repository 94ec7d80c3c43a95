package worker

// Call is what one RecreateStep asks of the engine: one request, or a short run of requests without a decision in it.
type Call string

// The calls of a RecreateStep.
const (
	CallInspect Call = "inspect" // nothing but what Observe says
	CallCreate  Call = "create"  // gather what the container needs, build the request, create
	CallConnect Call = "connect" // to the networks that the create could not take
	CallCopy    Call = "copy"    // files that docker compose copied in
	CallCompare Call = "compare" // the new container with the old one
	CallCollect Call = "collect" // what Action.Evidence asks for, as Collect does; it never fails
	CallStop    Call = "stop"
	CallStart   Call = "start"
	CallRename  Call = "rename"
	CallRemove  Call = "remove" // without force and without volumes
)

// RecreateCall is what a RecreateStep does. The engine carries it out, and inspects the containers named in Observe afterwards, also
// when the call failed.
type RecreateCall struct {
	Transaction uint64 // the same in all steps of one transaction
	Step        string // what the call is for, for people and tests
	Do          Call
	ID          string            // the container that the call is about
	Name        Key               // CallCreate, CallRename: the name to give
	OldID       string            // CallCreate, CallCopy: the container to be replaced
	OldGone     bool              // CallCreate: it does not exist any more
	Like        []byte            // CallCreate, CallCompare: the inspect of the old container
	Marks       map[string]string // CallCreate: labels of the transaction
	Plan        *Plan             // CallConnect, CallCopy, CallCompare: what CallCreate has found; nil after a crash of Stoker
	Observe     []string          // IDs and names
}

// Plan is what a CallCreate has found out and later calls need.
type Plan struct {
	Connect bool // there are networks left for a CallConnect
	Copy    bool // there are files for a CallCopy
	Data    any  // the engine's own
}

// StepReport is what a RecreateStep found beside its Result. With Result Failed and CannotRecreate the new container would differ from the
// old one, or something that it needs is gone.
type StepReport struct {
	// Seen has an inspect for each entry of Observe. One without an entry does not exist. Nil: they could not be inspected.
	Seen      map[string]Snapshot
	NewID     string // CallCreate
	Plan      *Plan  // CallCreate, also when the request to create was not answered
	Sent      bool   // a request that changes something was sent
	NameTaken bool   // CallCreate: another container has the name
	Forbidden bool   // a proxy does not let the request through, and so at every try
	// Notes say what the new container does not have in common with the old one.
	Notes []string
}
