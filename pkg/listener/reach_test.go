package listener

import (
	"net"
	"net/url"
	"testing"
)

func TestReachOf(t *testing.T) {
	t.Parallel()
	const local, hosted = "http://127.0.0.1:8080", "https://hosted.mender.io"
	loopback, everywhere := net.IPv4(127, 0, 0, 1), net.IPv4zero
	for _, c := range []struct {
		server, webhook string
		ip              net.IP
		path            string
		want            Reach
	}{
		{local, "http://127.0.0.1:8090/hook", loopback, "", ReachesHere},
		{local, "http://localhost:8090/hook", everywhere, "/hook", ReachesHere},
		{local, "http://127.0.0.1:8090/hook", loopback, "/other", ReachesElsewhere},
		{local, "http://127.0.0.1:3000/hook", loopback, "", ReachesElsewhere},
		{hosted, "http://127.0.0.1:8090/hook", loopback, "", ReachesElsewhere},
		{hosted, "https://example.com/hook", everywhere, "", ReachUnknown},
		{local, "http://192.0.2.1:8090/hook", everywhere, "", ReachUnknown},
		{local, "http://192.0.2.1:8090/hook", net.IPv4(192, 0, 2, 1), "", ReachesHere},
	} {
		u, err := url.Parse(c.webhook)
		if err != nil {
			t.Fatal(err)
		}
		if got := ReachOf(c.server, u, []net.Addr{&net.TCPAddr{IP: c.ip, Port: 8090}}, c.path); got != c.want {
			t.Errorf("%s to %s, listening on %s%s: %d, want %d", c.server, c.webhook, c.ip, c.path, got, c.want)
		}
	}
}
