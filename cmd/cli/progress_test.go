package cli

import (
	"testing"
	"testing/synctest"
	"time"
)

func TestProgressHasARateAndAnEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, width := &comparing{}, 0
		shows := func(want string) {
			t.Helper()
			if got := c.text(width, false); got != want {
				t.Errorf("got\n%q, want\n%q", got, want)
			}
		}
		shows("waiting for the server")
		c.Set("compared", 500, 3000, time.Time{}) // it continues an interrupted scan
		shows("compared #####                          500 of 3000 devices")
		time.Sleep(10 * time.Second)
		c.Set("compared", 1500, 3000, time.Time{})
		shows("compared ###############                1500 of 3000 devices, 100/s, 15s left")
		c.Set("compared", 3100, 3000, time.Time{}) // devices were added
		shows("compared ############################## 3100 of 3100 devices, 260/s, 0s left")
		width = 60
		shows("compared ############# 3100 of 3100 devices, 260/s, 0s left")
		width = 40
		shows("compared 3100 of 3100 devices, 260/s, 0s left")
		c.Set("time until the second check", 0, 3, time.Now().Add(90*time.Second))
		shows("time until the second check: 1m30s")
		time.Sleep(time.Minute)
		shows("time until the second check: 30s")
		c.Set("checked", 1, 3, time.Time{})
		shows("checked #####            1 of 3 devices")
	})
}
