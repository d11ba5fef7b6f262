package fleet

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/mender-webhooks/mender-webhooks/pkg/fault"
	"github.com/mender-webhooks/mender-webhooks/pkg/mender"
	"github.com/mender-webhooks/mender-webhooks/pkg/webhook"
)

func TestTheFirstRunRecordsAndTheNextOnesFindChanges(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		for _, id := range []string{"a", "b", "c", "d", "p"} {
			s.set(id, webhook.StatusPending)
		}
		s.set("p", webhook.StatusPreauthorized)
		if r := s.mustRun(t, nil); r.Baseline != 5 || r.Devices != 5 || r.Missed != 0 {
			t.Errorf("first run: %+v", r)
		}
		begin := time.Now()
		s.mustRun(t, nil)
		if time.Since(begin) != 0 {
			t.Error("a run without differences waited")
		}
		time.Sleep(time.Hour)
		s.set("a", webhook.StatusAccepted)
		s.set("n", webhook.StatusAccepted)
		s.set("o", webhook.StatusPending)
		s.remove("b")
		s.remove("p")
		begin = time.Now()
		r := s.mustRun(t, func(r *Reconciler) { r.Force = true },
			"device-status-changed a accepted from-state",
			"device-decommissioned b decommissioned from-state",
			"device-provisioned n accepted from-state",
			"device-status-changed n accepted from-state",
			"device-status-changed o pending from-state",
			"device-status-changed p decommissioned from-state")
		if r.Missed != 5 || r.Synthesized != 6 || time.Since(begin) != 2*time.Minute {
			t.Errorf("%+v after %s", r, time.Since(begin))
		}
		s.mustRun(t, nil) // nothing twice
	})
}

func TestAProvisionedDeviceComesWithItsAcceptedSet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.mustRun(t, nil) // of the empty fleet
		s.set("n", webhook.StatusAccepted)
		if _, err := s.run(t, nil); err != nil {
			t.Fatal(err)
		}
		if len(s.app.events) != 2 || string(s.app.events[0].Data) != `{"id":"n","status":"accepted","auth_sets":[{"id":"set-n","device_id":"n","pubkey":"key","status":"accepted"}]}` {
			t.Errorf("%+v", s.app.events)
		}
	})
}

// An event that Mender is still delivering, or that inventory has not heard of, is
// not made up for.
func TestOnlyWhatTwoLooksFindCounts(t *testing.T) {
	for name, test := range map[string]struct {
		change                        func(*scene)
		settled, unsettled, waits, is int
		want                          []string
	}{
		"inventory is stale": {
			change:  func(s *scene) { s.inventory["a"] = webhook.StatusRejected },
			settled: 1, waits: 1,
		},
		"gone in inventory only": {
			change:  func(s *scene) { delete(s.inventory, "a") },
			settled: 1, waits: 1,
		},
		"changed between the looks": {
			change: func(s *scene) {
				s.set("a", webhook.StatusRejected)
				s.lookedAt = func(int) { s.set("a", webhook.StatusNoAuth) }
			},
			waits: 2, want: []string{"device-status-changed a noauth from-state"},
		},
		"changed and back": {
			change: func(s *scene) {
				s.set("a", webhook.StatusRejected)
				s.lookedAt = func(int) { s.set("a", webhook.StatusPending) }
			},
			settled: 1, waits: 1,
		},
		"never at rest": {
			change: func(s *scene) {
				s.set("a", webhook.StatusRejected)
				s.lookedAt = func(n int) {
					s.set("a", []webhook.DeviceStatus{webhook.StatusAccepted, webhook.StatusNoAuth}[n%2])
				}
			},
			unsettled: 1, waits: 3,
		},
		"in the middle of a decommission": {
			change: func(s *scene) {
				s.set("a", webhook.StatusRejected)
				d := s.auth["a"]
				d.Decommissioning = true
				s.auth["a"] = d
			},
			unsettled: 1, waits: 1,
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.set("a", webhook.StatusPending)
				s.set("z", webhook.StatusPending)
				s.mustRun(t, nil)
				test.change(s)
				begin := time.Now()
				r := s.mustRun(t, nil, test.want...)
				if r.Settled != test.settled || r.Unsettled != test.unsettled || time.Since(begin) != time.Duration(test.waits)*2*time.Minute {
					t.Errorf("%+v after %s", r, time.Since(begin))
				}
			})
		})
	}
}

func TestAnEventThatArrivesMeanwhileSettlesIt(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.set("a", webhook.StatusPending)
		s.mustRun(t, nil)
		s.set("a", webhook.StatusAccepted)
		r := s.mustRun(t, func(r *Reconciler) {
			r.Arrived = func(context.Context) (func(string) bool, error) {
				return func(id string) bool { return id == "a" }, nil
			}
		})
		if r.Settled != 1 {
			t.Errorf("%+v", r)
		}
	})
}

func TestMendersLogIsAskedFirst(t *testing.T) {
	for name, test := range map[string]struct {
		log  func(*scene)
		want []string
	}{
		"the event is there": {
			log:  func(s *scene) { s.record("e-1", "a", webhook.DeviceStatusChanged, webhook.StatusAccepted) },
			want: []string{"device-status-changed a accepted from-log"},
		},
		"both events are there": {
			log: func(s *scene) {
				s.record("e-1", "a", webhook.DeviceProvisioned, webhook.StatusAccepted)
				s.record("e-2", "a", webhook.DeviceStatusChanged, webhook.StatusAccepted)
			},
			want: []string{"device-provisioned a accepted from-log", "device-status-changed a accepted from-log"},
		},
		"a later one is missing": {
			log: func(s *scene) {
				s.record("e-1", "a", webhook.DeviceStatusChanged, webhook.StatusAccepted)
				time.Sleep(time.Second)
				s.record("e-2", "a", webhook.DeviceStatusChanged, webhook.StatusRejected)
			},
			want: []string{"device-status-changed a accepted from-state"},
		},
		"of another device": {
			log:  func(s *scene) { s.record("e-1", "b", webhook.DeviceStatusChanged, webhook.StatusAccepted) },
			want: []string{"device-status-changed a accepted from-state"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				s.set("a", webhook.StatusPending)
				s.record("e-0", "a", webhook.DeviceStatusChanged, webhook.StatusAccepted) // before the first run
				time.Sleep(time.Hour)
				s.mustRun(t, nil)
				time.Sleep(time.Hour)
				s.set("a", webhook.StatusAccepted)
				test.log(s)
				time.Sleep(time.Hour)
				s.mustRun(t, nil, test.want...)
				s.mustRun(t, nil)
			})
		})
	}
}

// Events that the queue had before the device's last known event explain nothing.
func TestAnEventFromTheLogThatIsKnownIsReplaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.set("a", webhook.StatusPending)
		s.mustRun(t, nil)
		time.Sleep(time.Hour)
		s.set("a", webhook.StatusAccepted)
		s.record("e-1", "a", webhook.DeviceStatusChanged, webhook.StatusAccepted)
		s.app.answer = func(e webhook.Event) (Outcome, error) {
			if e.ID == "e-1" {
				return Known, nil
			}
			return Sent, nil
		}
		s.mustRun(t, nil, "device-status-changed a accepted from-state")
	})
}

func TestARepeatedRunSendsTheSameIDsAndAnotherChangeOtherOnes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.set("a", webhook.StatusPending)
		s.mustRun(t, nil)
		ids := map[string]int{}
		fail := errors.New("no")
		s.app.answer = func(e webhook.Event) (Outcome, error) {
			ids[e.ID]++
			return Sent, fail
		}
		s.set("a", webhook.StatusAccepted)
		for range 2 {
			if _, err := s.run(t, nil); !errors.Is(err, fail) {
				t.Fatal(err)
			}
		}
		fail = nil
		if _, err := s.run(t, nil); err != nil {
			t.Fatal(err)
		}
		if len(ids) != 1 {
			t.Errorf("one change had %d ids", len(ids))
		}
		for _, status := range []webhook.DeviceStatus{webhook.StatusPending, webhook.StatusAccepted} {
			s.set("a", status)
			if _, err := s.run(t, nil); err != nil {
				t.Fatal(err)
			}
		}
		if len(ids) != 3 {
			t.Errorf("three changes had %d ids", len(ids))
		}
		for i := 1; i < len(s.app.events); i++ {
			if !s.app.events[i].Time.After(s.app.events[i-1].Time) {
				t.Error("an event has the time of the one before it")
			}
		}
	})
}

func TestARefusedEventIsSentAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.set("a", webhook.StatusPending)
		s.mustRun(t, nil)
		s.set("a", webhook.StatusAccepted)
		s.app.answer = func(webhook.Event) (Outcome, error) { return Refused, nil }
		if r := s.mustRun(t, nil); r.Refused != 1 || r.Synthesized != 0 {
			t.Errorf("%+v", r)
		}
		s.app.answer = nil
		s.mustRun(t, nil, "device-status-changed a accepted from-state")
	})
}

func TestBootstrapAnnouncesEverything(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		for i := range 3 {
			s.set(fmt.Sprint(i), webhook.StatusPending)
		}
		fail := errors.New("no")
		s.app.answer = func(e webhook.Event) (Outcome, error) {
			if e.DeviceID() == "1" {
				return "", fail
			}
			return Sent, nil
		}
		if _, err := s.run(t, func(r *Reconciler) { r.Bootstrap = true }); !errors.Is(err, fail) {
			t.Fatal(err)
		}
		s.app.took()
		s.app.answer = nil
		s.mustRun(t, nil, "device-status-changed 1 pending from-state", "device-status-changed 2 pending from-state")
	})
}

func TestADryRunChangesNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.set("a", webhook.StatusPending)
		dry := func(r *Reconciler) {
			r.DryRun = true
			r.Outbox = nil
		}
		if r := s.mustRun(t, dry); r.Baseline != 1 {
			t.Errorf("%+v", r)
		}
		if _, err := os.Stat(s.path); err == nil {
			t.Error("a dry run wrote the state")
		}
		s.mustRun(t, nil)
		s.set("a", webhook.StatusAccepted)
		before, _ := os.ReadFile(s.path)
		var shown []Announcement
		s.mustRun(t, func(r *Reconciler) {
			dry(r)
			r.Announced = func(a Announcement) error {
				shown = append(shown, a)
				return nil
			}
		})
		after, _ := os.ReadFile(s.path)
		if string(before) != string(after) || len(shown) != 1 || shown[0].From != webhook.StatusPending || shown[0].Since.IsZero() || shown[0].Outcome != "" {
			t.Errorf("%+v", shown)
		}
		if left, _ := filepath.Glob(s.path + ".[^l]*"); len(left) > 0 { // not the lock
			t.Errorf("left behind: %v", left)
		}
	})
}

// Inventory was down for a change: only deviceauth knows it.
func TestADeepRunReadsDeviceauth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.set("a", webhook.StatusPending)
		s.set("b", webhook.StatusPending)
		s.mustRun(t, nil)
		s.set("a", webhook.StatusAccepted)
		s.set("n", webhook.StatusPending)
		s.inventory["a"] = webhook.StatusPending
		delete(s.inventory, "n")
		if r := s.mustRun(t, nil); r.Stale == 0 {
			t.Errorf("inventory's counts differ: %+v", r)
		}
		deep := func(r *Reconciler) { r.Deep = true }
		s.mustRun(t, deep, "device-status-changed a accepted from-state", "device-status-changed n pending from-state")
	})
}

func TestARunIsDeepEverySoOften(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.set("a", webhook.StatusPending)
		weekly := func(r *Reconciler) { r.DeepEvery = 7 * 24 * time.Hour }
		s.mustRun(t, weekly)
		s.set("a", webhook.StatusAccepted)
		s.inventory["a"] = webhook.StatusPending // inventory was down
		time.Sleep(6 * 24 * time.Hour)
		s.mustRun(t, weekly)
		time.Sleep(24 * time.Hour)
		s.mustRun(t, weekly, "device-status-changed a accepted from-state")
		s.set("a", webhook.StatusRejected)
		s.inventory["a"] = webhook.StatusAccepted
		time.Sleep(24 * time.Hour)
		s.mustRun(t, weekly)
	})
}

func TestGuards(t *testing.T) {
	for name, test := range map[string]struct {
		change func(*scene)
		want   string
	}{
		"no device at all": {func(s *scene) { s.inventory, s.auth = nil, nil }, "Mender shows no device, but 100 are known"},
		"too many gone": {func(s *scene) {
			for i := range 6 {
				s.remove(fmt.Sprint(100 + i))
			}
		}, "6 of 100 known devices are gone, more than 5%: 100, 101, 102 and 3 more"},
		"inventory has too few": {func(s *scene) {
			for i := range 11 {
				delete(s.inventory, fmt.Sprint(100+i))
			}
		}, "the scan found 89 pending devices, but deviceauth has 100"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				for i := range 100 {
					s.set(fmt.Sprint(100+i), webhook.StatusPending)
				}
				s.mustRun(t, nil)
				test.change(s)
				_, err := s.run(t, nil)
				if !errors.Is(err, ErrSuspicious) || !strings.Contains(err.Error(), test.want) || !strings.Contains(fault.HintOf(err), "--force") {
					t.Errorf("got %v", err)
				}
				if sent := s.app.took(); sent != nil {
					t.Errorf("sent %q", sent)
				}
				if _, err := s.run(t, func(r *Reconciler) { r.Force = true }); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A scan may differ from the counts by 10 devices, or by 1%.
func TestAScanMayDifferALittleFromTheCounts(t *testing.T) {
	for _, test := range []struct {
		devices, missing int
		ok               bool
	}{{100, 10, true}, {100, 11, false}, {2000, 20, true}, {2000, 21, false}, {100, 100, false}} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t)
			for i := range test.devices {
				id := fmt.Sprint(10000 + i)
				if s.set(id, webhook.StatusPending); i < test.missing {
					delete(s.inventory, id)
				}
			}
			_, err := s.run(t, nil)
			if test.ok != (err == nil) || !test.ok && !errors.Is(err, ErrSuspicious) {
				t.Errorf("%d of %d devices missing: %v", test.missing, test.devices, err)
			}
			if state := open(t, s.path); state.HasBaseline() != test.ok {
				t.Errorf("%d of %d devices missing: recorded %t", test.missing, test.devices, state.HasBaseline())
			}
		})
	}
}

// A scan that a burst of changes distorts is repeated once.
func TestACountThatIsWrongOnceIsNoReasonToStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		for i := range 100 {
			s.set(fmt.Sprint(100+i), webhook.StatusPending)
		}
		s.mustRun(t, nil)
		hidden := map[string]webhook.DeviceStatus{}
		for i := range 11 {
			id := fmt.Sprint(100 + i)
			hidden[id] = s.inventory[id]
			delete(s.inventory, id)
		}
		scans := 0
		s.mustRun(t, func(r *Reconciler) {
			r.Devices = &hooked{s.world, func() {
				if scans++; scans == 2 {
					for id, status := range hidden {
						s.inventory[id] = status
					}
				}
			}}
		})
		if scans != 2 {
			t.Errorf("%d scans, want 2", scans)
		}
	})
}

func TestFivePercentMayBeGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		for i := range 100 {
			s.set(fmt.Sprint(100+i), webhook.StatusPending)
		}
		s.mustRun(t, nil)
		for i := range 5 {
			s.remove(fmt.Sprint(100 + i))
		}
		if r, err := s.run(t, nil); err != nil || r.Missed != 5 {
			t.Errorf("%+v, %v", r, err)
		}
	})
}

// An interruption at any moment loses nothing and repeats nothing.
func TestAnInterruptedRunIsContinued(t *testing.T) {
	prepare := func(t *testing.T) *scene {
		s := newScene(t)
		for i := range 2000 {
			s.set(fmt.Sprint(10000+i), webhook.StatusPending)
		}
		s.mustRun(t, nil)
		for i := range 20 {
			s.set(fmt.Sprint(10000+100*i), webhook.StatusAccepted)
		}
		return s
	}
	finish := func(t *testing.T, s *scene, want int) {
		t.Helper()
		s.app.answer = nil
		r, err := s.run(t, nil)
		if err != nil || r.Missed != want || r.Devices != 2000 {
			t.Errorf("%+v, %v; want %d missed", r, err, want)
		}
		for id, d := range s.auth {
			if known := s.app.known[id].Status; d.Status == webhook.StatusAccepted && known != d.Status {
				t.Errorf("device %s: %q", id, known)
			}
		}
		if len(s.app.events) != 20 {
			t.Errorf("%d events, want 20", len(s.app.events))
		}
	}
	t.Run("in the scan", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := prepare(t)
			s.fail, s.failAt = errors.New("interrupted"), "11700"
			if _, err := s.run(t, nil); !errors.Is(err, s.fail) {
				t.Fatal(err)
			}
			s.fail, s.requests = nil, 0
			finish(t, s, 20)
			if s.requests > 2000 { // the part before the last checkpoint is skipped
				t.Errorf("the scan began again: %d devices", s.requests)
			}
		})
	})
	t.Run("while it waits", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := prepare(t)
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			if _, err := s.runUntil(ctx, t, nil); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
			begin := time.Now()
			finish(t, s, 20)
			if took := time.Since(begin); took != time.Minute {
				t.Errorf("waited %s, want the rest of the two minutes", took)
			}
		})
	})
	t.Run("while it sends", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			s := prepare(t)
			ctx, cancel := context.WithCancel(t.Context())
			s.app.answer = func(webhook.Event) (Outcome, error) {
				if len(s.app.events) == 6 {
					cancel()
				}
				return Sent, nil
			}
			if _, err := s.runUntil(ctx, t, nil); !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
			finish(t, s, 13)
		})
	})
}

// A listener stores events all the time. An interrupted scan still continues, and
// the events count.
func TestAnInterruptedScanIsContinuedAlthoughEventsArrived(t *testing.T) {
	for _, first := range []bool{true, false} {
		t.Run(fmt.Sprintf("first run %t", first), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				for i := range 2000 {
					s.set(fmt.Sprint(10000+i), webhook.StatusPending)
				}
				arrives := func(entries ...Entry) {
					state := open(t, s.path)
					if err := errors.Join(state.Update(seqOf(entries), false), state.Close()); err != nil {
						t.Fatal(err)
					}
				}
				if first {
					arrives()
				} else {
					s.mustRun(t, nil)
				}
				time.Sleep(time.Hour)
				var want []string
				for _, id := range []string{"10100", "10200", "11900"} {
					s.set(id, webhook.StatusAccepted)
					if !first && id != "10100" {
						want = append(want, "device-status-changed "+id+" accepted from-state")
					}
				}
				s.fail, s.failAt = errors.New("interrupted"), "11700"
				if _, err := s.run(t, nil); !errors.Is(err, s.fail) {
					t.Fatal(err)
				}
				s.fail = nil
				arrives(Entry{ID: "10100", Status: webhook.StatusAccepted, Last: "e-1", Time: time.Now()})
				began := ""
				r := s.mustRun(t, func(r *Reconciler) { r.Devices = &after{s.world, func(id string) { began = id }} }, want...)
				if began != "11499" || r.Devices != 2000 || r.Missed != len(want) {
					t.Errorf("began after %q: %+v", began, r)
				}
				for e, err := range open(t, s.path).Entries() {
					if d := s.auth[e.ID]; err != nil || d.Status != e.Status || e.ID == "10100" && e.Last != "e-1" {
						t.Fatalf("%+v, %v", e, err)
					}
				}
			})
		})
	}
}

// The log is read from the oldest known status on: older events of other devices
// explain nothing.
func TestAnEventThatIsOlderThanTheKnownOneExplainsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t)
		s.set("a", webhook.StatusPending)
		s.set("b", webhook.StatusPending)
		s.mustRun(t, nil)
		time.Sleep(time.Hour)
		s.record("old", "a", webhook.DeviceStatusChanged, webhook.StatusPending)
		time.Sleep(time.Hour)
		s.set("a", webhook.StatusAccepted)
		s.mustRun(t, nil, "device-status-changed a accepted from-state")
		time.Sleep(time.Hour)
		s.set("a", webhook.StatusPending)
		s.set("b", webhook.StatusRejected)
		s.mustRun(t, nil, "device-status-changed a pending from-state", "device-status-changed b rejected from-state")
	})
}

func TestAnOldInterruptedScanBeginsAgain(t *testing.T) {
	for name, test := range map[string]struct {
		wait time.Duration
		want int
	}{"soon": {10 * time.Minute, 1000}, "late": {20 * time.Minute, 2000}} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t)
				for i := range 2000 {
					s.set(fmt.Sprint(10000+i), webhook.StatusPending)
				}
				s.fail, s.failAt = errors.New("interrupted"), "11100"
				if _, err := s.run(t, nil); !errors.Is(err, s.fail) {
					t.Fatal(err)
				}
				s.fail = nil
				time.Sleep(test.wait)
				first := ""
				r, err := s.run(t, func(r *Reconciler) {
					r.Devices = &after{s.world, func(id string) { first = id }}
				})
				if err != nil || r.Baseline != 2000 || (first == "") != (test.want == 2000) {
					t.Errorf("%+v after %q, %v", r, first, err)
				}
			})
		})
	}
}

// A device whose status changes during a deep scan is in two lists.
func TestADeviceInTwoListsCountsOnce(t *testing.T) {
	w := newWorld()
	w.set("a", webhook.StatusAccepted)
	w.set("c", webhook.StatusPending)
	var got []string
	for d, err := range deepScan(t.Context(), &moving{w}) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, d.ID)
	}
	if strings.Join(got, " ") != "a b c" {
		t.Errorf("got %q", got)
	}
}

func TestAnEventComesAfterTheKnownOne(t *testing.T) {
	at := time.Unix(100, 0)
	for _, knownAt := range []time.Time{at.Add(-time.Second), at, at.Add(time.Second)} {
		events, err := synthesize(suspect{ID: "d", From: &Entry{ID: "d", Status: webhook.StatusDecommissioned, Time: knownAt}, To: webhook.StatusAccepted}, mender.Device{ID: "d"}, at)
		if err != nil || len(events) != 2 || !events[0].Time.After(knownAt) || !events[1].Time.After(events[0].Time) {
			t.Errorf("known at %s: %+v, %v", knownAt, events, err)
		}
	}
}
