package notify

import (
	"errors"
	"fmt"
	"net/url"

	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/googlechat"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/lark"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/matrix"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/mattermost"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/rocketchat"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/signal"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/teams"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/wecom"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/chat/zulip"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/opsgenie"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/incident/pagerduty"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/bark"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/ifttt"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/join"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushbullet"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/push/pushover"
	"github.com/nicholas-fedor/shoutrrr/pkg/services/specialized/notifiarr"
	"github.com/nicholas-fedor/shoutrrr/pkg/types"
)

// texter is a service of the library, as far as it is needed here.
type texter interface {
	Send(message string, params *types.Params) error
}

// opening is a service before it knows its URL. It is less than the library's own interface on purpose: what no interface
// asks for, the linker leaves out.
type opening interface {
	texter
	Initialize(address *url.URL, log types.StdLogger) error
}

// blank makes a service by its scheme. The library's router would do that too, but brings all of its services with it, among them
// those that are Stoker's own, and with mail the templates of text/template, which keep every method of every type in the program.
func blank(scheme string) (opening, bool) {
	all := map[string]opening{
		"bark": &bark.Service{}, "googlechat": &googlechat.Service{}, "ifttt": &ifttt.Service{}, "join": &join.Service{}, "lark": &lark.Service{},
		"matrix": &matrix.Service{}, "mattermost": &mattermost.Service{}, "notifiarr": &notifiarr.Service{}, "opsgenie": &opsgenie.Service{},
		"pagerduty": &pagerduty.Service{}, "pushbullet": &pushbullet.Service{}, "pushover": &pushover.Service{}, "rocketchat": &rocketchat.Service{},
		"signal": &signal.Service{}, "teams": &teams.Service{}, "wecom": &wecom.Service{}, "zulip": &zulip.Service{},
	}
	s, ok := all[scheme]
	return s, ok
}

// locate makes the service of a URL, which may talk to the server.
func locate(raw string) (texter, error) {
	u, err := url.Parse(raw)
	if err != nil {
		return nil, fmt.Errorf("read the URL: %w", err)
	}
	s, ok := blank(u.Scheme) // url.Parse made it lower case
	if !ok {
		return nil, errors.New("the library has no such service")
	}
	if err := s.Initialize(u, nil); err != nil {
		return nil, fmt.Errorf("prepare the service: %w", err)
	}
	return s, nil
}
