// Package demand decides how many workers of a group should run, which of them wakes and which one goes to sleep.
//
// It is pure: it takes now and values, and returns values. Its callers ask the sources, and start and stop workers.
package demand

// Reading is one answer of a source: how much work there is.
type Reading struct {
	// Waiting is how many items wait for a worker. It is a finite number; a negative one counts as none.
	Waiting float64
	InHand  InHand
}

// InHandKind is what a source reports about items in hand: taken by a worker and not done yet.
type InHandKind uint8

// The kinds of items in hand.
const (
	// InHandUnknown: they are not part of Waiting, and the source does not report their number (AMQP, a Redis list).
	InHandUnknown InHandKind = iota
	// InHandIncluded: Waiting is all work, in hand or not, as far as the user's own number includes it (Prometheus, JSON).
	InHandIncluded
	// InHandCounted: they are not part of Waiting, and Total is their number (the RabbitMQ management API, a Redis stream).
	InHandCounted
)

// InHand is the items in hand that a source reports.
type InHand struct {
	Kind  InHandKind
	Total float64 // InHandCounted
	// ByAddress is the number of items in hand by the IP address of the consumer that holds them. It is nil if the source does not report the
	// consumers. A consumer without items may be missing.
	ByAddress map[string]float64
}
