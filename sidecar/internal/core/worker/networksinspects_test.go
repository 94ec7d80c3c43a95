package worker_test

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// frontLost is a worker that another client has started without its network front, which Stoker's failed start had removed.
const frontLost = `
	given networks=front,rear
	up
	die 137
	> start 1
	world networks:rear start-error:port1
	answer failed port
	start
	= lost front
	> connect front
`

// The model for a new container is the newest inspect with the lost networks added to it, whatever that inspect lacks.
func TestDefinitionWithLostNetworks(t *testing.T) {
	for inspect, want := range map[string]string{
		`{"Id":"x","Name":"/new","NetworkSettings":{"SandboxKey":"y","Networks":{"rear":{"Aliases":["new"]}}}}`: `
			{"Id":"x","Name":"/new","NetworkSettings":{"SandboxKey":"y","Networks":{"front":{"Aliases":["of-front"]},"rear":{"Aliases":["new"]}}}}`,
		`{"Id":"x","NetworkSettings":{"Networks":null}}`: `{"Id":"x","NetworkSettings":{"Networks":{"front":{"Aliases":["of-front"]}}}}`,
		`{"Id":"x","Name":"/new"}`:                       `{"Id":"x","Name":"/new","NetworkSettings":{"Networks":{"front":{"Aliases":["of-front"]}}}}`,
	} {
		s := play(t, frontLost+"answer failed port")
		s.world.Definition = []byte(inspect)
		s.goOn("update running")
		require.JSONEq(t, want, string(s.m.Saved().Definition))
	}
}

// An inspect that cannot be read does not replace the model for a new container.
func TestDefinitionOfAnUnreadableInspect(t *testing.T) {
	s := play(t, frontLost+"answer failed port")
	s.world.Definition = []byte("{")
	s.goOn("update running\n= remembers front rear")
}

// An inspect that shows nothing new does not change what the journal has to store; one that shows another network does.
func TestNothingNewInAnInspect(t *testing.T) {
	s := play(t, "given networks=front,rear\nup\nupdate running")
	require.False(t, s.turn.Changed)
	s.world.Networks = []string{"rear"} // the definition is the same
	s.goOn("update running")
	require.True(t, s.turn.Changed)
	s.goOn("update running")
	require.False(t, s.turn.Changed)
}

// The event about a worker that runs without its networks names them.
func TestEventNamesLostNetworks(t *testing.T) {
	s := play(t, frontLost+"answer failed port is taken")
	require.Contains(t, s.details, "network front, lost in a start that failed: port is taken")
	s = play(t, `
		given networks=front,rear
		up
		die 137
		> start 1
		world networks: start-error:port1
		answer failed port
		start
		> connect front rear
		answer failed port is taken`)
	require.Contains(t, s.details, "networks front, rear, lost in a start that failed: port is taken")
}

// A connect that failed although the network is connected is over; one whose result is unknown needs an inspect, and one that
// reached no engine needs none.
func TestAnswersToAConnect(t *testing.T) {
	const again = frontLost + "answer unreachable\n+1s\n> connect front\n"
	play(t, again+"world networks:front,rear\nanswer failed already connected\n= lost\n+1m\n> nothing")
	play(t, again+"answer unknown\n> inspect\n= lost front\n+2s\n> connect front")
	s := play(t, again+"answer unreachable\n= no-event network-lost\n= lost front")
	require.Empty(t, s.did)
	s.goOn("+2s\n> connect front")
}

func TestConnectedAgain(t *testing.T) {
	run(t, []scenario{
		{"reported once, however many inspects follow", frontLost + `
			answer running networks:front,rear
			= event network-restored
			update running
			= no-event network-restored
			= lost`},
		{"a start without an answer may have failed after an inspect found the worker still down", `
			given networks=front backoff-initial=10s
			up
			die 137
			+10s
			> start 1
			answer unknown
			+1s
			= event heal-failed
			world networks:
			start
			= lost front
			> connect front`},
		{"a worker that was inspected while it was paused can be probed at its addresses as soon as it continues", `
			given probe=http://:8000/health
			up
			outside success
			pause
			update
			= unprobed
			mute unpause
			= probe-due 30s`},
	})
}
