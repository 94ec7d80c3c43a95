package notify

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// secret is a text that is found wherever it is printed.
const secret = "5EC2E7feedFACE0123456789"

// forms is a URL of each service with secrets in all places that can hold one.
func forms() map[string]string {
	return map[string]string{
		"discord":       "discord://" + secret + "@123456789",
		"slack":         "slack://hook:T00000000-B00000000-" + secret + "@webhook",
		"telegram":      "telegram://110201543:" + secret + "@telegram?chats=@" + secret,
		"smtp":          "smtp://user:" + secret + "@mail.example:587/?from=a@b.example&to=c@d.example",
		"ntfy":          "ntfy://user:" + secret + "@ntfy.example/" + secret,
		"gotify":        "gotify://push.example:8443/sub/" + secret,
		"json+https":    "json+https://user:" + secret + "@hook.example/" + secret + "?key=" + secret + "&@Authorization=Bearer%20" + secret,
		"json+http":     "json+http://hook.example/" + secret,
		"generic":       "generic://hook.example/" + secret + "?template=json&token=" + secret + "&$field=" + secret,
		"generic+https": "generic+https://hook.example/" + secret,
		"generic+http":  "generic+http://hook.example/a%2F" + secret,
		"bark":          "bark://" + secret + "@bark.example/",
		"googlechat":    "googlechat://chat.googleapis.com/v1/spaces/FOO/messages?key=" + secret + "&token=" + secret,
		"ifttt":         "ifttt://" + secret + "/?events=e1",
		"join":          "join://shoutrrr:" + secret + "@join/?devices=d1",
		"lark":          "lark://open.larksuite.com/" + secret,
		"matrix":        "matrix://user:" + secret + "@matrix.example/",
		"mattermost":    "mattermost://bot@mm.example/" + secret,
		"notifiarr":     "notifiarr://" + secret,
		"opsgenie":      "opsgenie://api.opsgenie.com/" + secret,
		"pagerduty":     "pagerduty://events.pagerduty.com/" + secret + "01234567",
		"pushbullet":    "pushbullet://o." + secret + "01234567",
		"pushover":      "pushover://shoutrrr:" + secret + "@" + secret + "/?devices=d",
		"rocketchat":    "rocketchat://bot@rc.example/" + secret + "/" + secret,
		"signal":        "signal://user:" + secret + "@sig.example/+15551234567/+15557654321",
		"teams": "teams://11111111-4444-4444-8444-cccccccccccc@22222222-4444-4444-8444-cccccccccccc/33333333012222222222333333333344/" +
			"44444444-4444-4444-8444-cccccccccccc/V2" + secret + "?host=org.webhook.office.com",
		"wecom": "wecom://" + secret,
		"zulip": "zulip://bot%40z.example:" + secret + "@z.example?stream=x&topic=y",
	}
}

// failing answers every call with an error that has the whole request in it.
type failing struct{}

func (failing) RoundTrip(r *http.Request) (*http.Response, error) {
	return nil, fmt.Errorf("dial %s %v: %w", r.URL, r.Header, errors.New("out of luck"))
}

func quietOn(t *testing.T, text string) {
	t.Helper()
	require.NotContains(t, strings.ToLower(text), strings.ToLower(secret[:8]))
	require.NotContains(t, strings.ToLower(text), strings.ToLower(secret[len(secret)-8:]))
}

// broken is a URL with mistakes that people make.
func broken(raw string) []string {
	_, rest, _ := strings.Cut(raw, "://")
	return []string{
		raw + "?nonsense=" + secret, raw + "&nonsense=" + secret, raw + "%zz", strings.Replace(raw, "://", ":///", 1), raw + ":x",
		strings.Replace(raw, "@", "%zz@", 1), strings.Replace(raw, "@", "", 1), rest, "htps://" + rest, secret + "://" + rest, strings.ToUpper(raw),
		strings.Replace(raw, "://", "://"+secret+"@", 1), strings.Replace(raw, "://", "+x://", 1), strings.ReplaceAll(raw, secret, secret+" \x00"),
		strings.ReplaceAll(raw, "=", "=%zz"), strings.Split(raw, "?")[0], strings.ReplaceAll(raw, "/", "//"), raw + "#" + secret,
	}
}

func TestSecretsOfEveryServiceAreRedacted(t *testing.T) {
	t.Parallel()
	require.Len(t, forms(), len(services()), "one URL for each service")
	client := &http.Client{Transport: failing{}}
	for scheme, raw := range forms() {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			s, ok := find(scheme)
			require.True(t, ok)
			to, m, err := open(raw, client)
			require.NoError(t, err)
			quietOn(t, m.name)
			require.True(t, strings.HasPrefix(m.name, scheme+"://"))
			require.Equal(t, s.openHost, m.name != scheme+"://"+redacted, m.name)
			for _, bad := range broken(raw) {
				if _, _, err := open(bad, client); err != nil {
					quietOn(t, err.Error())
					require.Contains(t, err.Error(), redacted)
				}
				c := explain(fmt.Errorf("sending to %q: %w", bad, errors.New(bad)), m)
				quietOn(t, c.problem+c.advice)
			}
			if w, ok := to.(*webhook); ok {
				err = w.send(t.Context(), Message{Title: "t", Text: "x", JSON: []byte("{}")})
				require.Error(t, err)
				c := explain(err, m)
				quietOn(t, c.problem+c.advice)
				require.NotEmpty(t, c.problem)
			}
			c := explain(statusError{400, "you sent " + raw + " and " + strings.ToUpper(raw)}, m)
			quietOn(t, c.problem+c.advice)
		})
	}
}

func TestNewTellsEveryMistakeWithoutSecrets(t *testing.T) {
	t.Parallel()
	_, err := New(Options{URLs: []string{
		"json+https://hook.example/x", "discord://" + secret, "discrod://" + secret + "@1", "telegram://" + secret, "smtp://u:p%ss@" + secret,
	}, On: []string{"evrything", "nothing"}})
	require.Error(t, err)
	quietOn(t, err.Error())
	lines := strings.Split(err.Error(), "\n")
	require.Len(t, lines, 6)
	require.Contains(t, lines[0], `STOKER_NOTIFY_ON: "evrything" is not an event`)
	require.Equal(t, "STOKER_NOTIFY, entry 2 of 5: discord://***: something is missing or not known; write discord://TOKEN@WEBHOOK_ID", lines[2])
	require.Contains(t, lines[3], "entry 3 of 5: ***://***: its service is not known; write a URL that begins with one of discord, slack")
	require.Contains(t, lines[4], "telegram://***: something is missing or not known")
	require.Contains(t, lines[5], "smtp://***: not a URL")
}

func TestShortPasswordsSilenceErrors(t *testing.T) {
	t.Parallel()
	_, m, err := open("smtp://user:pw@mail.example/?from=a@b.example&to=c@d.example", nil)
	require.NoError(t, err)
	c := explain(errors.New("535 pw is wrong"), m)
	require.NotContains(t, c.problem, "pw")
	require.Equal(t, "no answer in time", explain(context.DeadlineExceeded, m).problem, "what happened is still reported")
}

func TestTargetsOfOneServiceCanBeToldApart(t *testing.T) {
	t.Parallel()
	n, err := New(Options{URLs: []string{"discord://a@1", "discord://b@2", "ntfy://ntfy.sh/topic"}})
	require.NoError(t, err)
	require.Equal(t, "discord://***", n.targets[0].redactor.name)
	require.Equal(t, "discord://*** #2", n.targets[1].redactor.name)
	require.Equal(t, "ntfy://ntfy.sh/***", n.targets[2].redactor.name)
}
