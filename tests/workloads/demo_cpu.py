"""Computing: one thread, one hot function, no waits."""

from truth import Stop, Workload


def normalise(samples, mean, spread):
    total = 0.0
    for sample in samples:
        total += (sample - mean) / spread  # here
    return total


def main():
    workload = Workload()
    samples = [float(number % 97) for number in range(20_000)]
    rounds = 0
    checksum = 0.0
    try:
        workload.ready("cpu-bound", "python", normalise, "one thread computes without a pause")
        while True:
            checksum += normalise(samples, 48.0, 28.0)
            rounds += 1
    except Stop:
        pass
    workload.done(rounds=rounds, checksum=checksum)


main()
