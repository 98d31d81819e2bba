import { CNT_TIMERS_LIVE } from "../../../assembly/abi/counters";
import { S_NOW, nowNs } from "../../../assembly/lib/state";
import {
  Timer, advanceTo, nextTimerAt, runNextTimer, timerArm, timerArmIn, timerArmed, timerCancel, timerFree, timerNew, timersPending,
} from "../../../assembly/lib/timer";
import { counter, reset } from "../support";

// Timers write their digit: 213 means 2, then 1, then 3.
let ran: u64 = 0;
let ranAt: u64 = 0;
let again: Timer = changetype<Timer>(0);

function digit(arg: usize): void {
  ran = ran * 10 + (arg as u64);
  ranAt = nowNs();
}
function digitAgain(arg: usize): void {
  digit(arg);
  if (ran < 777) timerArmIn(again, 5);
}
function runAll(): void { while (timersPending()) runNextTimer(); }
function timer(arg: usize): Timer { return timerNew(digit.index, arg); }
function armed(arg: usize, expires: u64): Timer {
  const t = timer(arg);
  timerArm(t, expires);
  return t;
}

const MANY: u32 = 200;
let lastTime: u64 = 0;
let lastArg: usize = 0;
let inOrder: bool = true;
let count: u32 = 0;
function checkOrder(arg: usize): void {
  const now = nowNs();
  if (now < lastTime || (now == lastTime && arg < lastArg)) inOrder = false;
  lastTime = now;
  lastArg = arg;
  count++;
}

describe("lib/timer", () => {
  beforeEach(() => {
    reset();
    ran = 0;
    ranAt = 0;
  });

  it("timers run in the order of their times, whatever the order of arming", () => {
    armed(3, 300);
    armed(1, 100);
    armed(4, 400);
    armed(2, 200);
    expect(nextTimerAt()).toBe(100);
    runAll();
    expect(ran).toBe(1234);
  });

  it("timers of one instant run in the order in which they were armed", () => {
    for (let i: usize = 1; i <= 6; i++) armed(i, 50);
    runAll();
    expect(ran).toBe(123456);
  });

  it("the clock stands on the timer's time while it runs", () => {
    armed(1, 70);
    expect(nowNs()).toBe(0);
    runNextTimer();
    expect(ranAt).toBe(70);
    expect(nowNs()).toBe(70);
  });

  it("the clock never goes back: a time in the past means now", () => {
    advanceTo(500);
    armed(1, 100);
    expect(nextTimerAt()).toBe(500);
    advanceTo(400);
    expect(nowNs()).toBe(500);
    runNextTimer();
    expect(ranAt).toBe(500);
  });

  it("a cancelled timer does not run, the others keep their order", () => {
    const first = armed(1, 10);
    armed(2, 20);
    const middle = armed(3, 30);
    armed(4, 40);
    const last = armed(5, 50);
    timerCancel(middle);
    timerCancel(first);
    timerCancel(last);
    timerCancel(last); // cancelling what is not armed is allowed
    expect(timerArmed(middle)).toBe(false);
    runAll();
    expect(ran).toBe(24);
  });

  it("the timer that fills the place of a cancelled one may have to move up", () => {
    // The heap becomes 1 (5 (6 7) 2 (4 3)). When 6 goes, 3 fills its place, below 5.
    armed(1, 10);
    armed(5, 50);
    armed(3, 30);
    const cancelled = armed(6, 60);
    armed(7, 70);
    armed(4, 40);
    armed(2, 20);
    timerCancel(cancelled);
    runAll();
    expect(ran).toBe(123457);
  });

  it("arming again moves a timer, and puts it behind its equals", () => {
    const a = armed(1, 10);
    armed(2, 30);
    timerArm(a, 30);
    expect(timersPending()).toBe(2);
    runAll();
    expect(ran).toBe(21);
  });

  it("a timer may arm itself while it runs", () => {
    again = timerNew(digitAgain.index, 7);
    timerArmIn(again, 5);
    runAll();
    expect(ran).toBe(777);
    expect(nowNs()).toBe(15);
  });

  it("a freed timer is off the heap", () => {
    timerFree(armed(1, 10));
    expect(timersPending()).toBe(0);
    expect(counter(CNT_TIMERS_LIVE)).toBe(0);
    timerFree(changetype<Timer>(0)); // none is fine
  });

  it("many timers with many ties come out sorted and stable after every third was cancelled", () => {
    lastTime = 0;
    lastArg = 0;
    inOrder = true;
    count = 0;
    let x: u32 = 12345;
    const base: usize = changetype<usize>(timerNew(checkOrder.index, 0));
    let previous = base;
    for (let i: u32 = 1; i <= MANY; i++) {
      x = x * 1103515245 + 12345;
      const t = timerNew(checkOrder.index, i as usize);
      timerArm(t, ((x >> 16) % 40) as u64);
      if (i % 3 == 0) timerCancel(changetype<Timer>(previous));
      previous = changetype<usize>(t);
    }
    runAll();
    expect(inOrder).toBe(true);
    expect(count).toBe(MANY - MANY / 3);
    expect(load<u64>(S_NOW)).toBeLessThan(40);
  });
});
