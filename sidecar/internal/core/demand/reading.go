// Package demand decides how many workers of a group should run, which of them wakes and which one goes to sleep.
//
// It is pure: it takes now and values, and returns values. Who asks the sources and who starts and stops workers is elsewhere.
package demand

// Reading is one answer of a source: how much work there is.
type Reading struct {
	// Waiting is how many items wait for a worker. It is a finite number; a negative one counts as none.
	Waiting float64
	InHand  InHand
}

// InHandKind says what a source tells of the items that workers hold, taken and not done yet.
type InHandKind uint8

// What a source may tell of items in hand.
const (
	// InHandUnknown: they are not part of Waiting, and the source does not tell how many they are (AMQP, a Redis list).
	InHandUnknown InHandKind = iota
	// InHandIncluded: Waiting is all that there is to do, in hand or not, as far as the user's own number says (Prometheus, JSON).
	InHandIncluded
	// InHandCounted: they are not part of Waiting, and Total is how many they are (the RabbitMQ management API, a Redis stream).
	InHandCounted
)

// InHand is what a source tells of the items in hand.
type InHand struct {
	Kind  InHandKind
	Total float64 // InHandCounted
	// ByAddress has the items in hand by the IP address of the consumer that holds them. Nil where the source does not tell whose they
	// are. A consumer that holds none may be missing.
	ByAddress map[string]float64
}
