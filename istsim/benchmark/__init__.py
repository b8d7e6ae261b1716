"""How fast `istsim.simulate` is, beside what a researcher would write and what memory allows."""

from istsim.benchmark._growth import time_growth as time_growth
from istsim.benchmark._memory import bytes_of_round as bytes_of_round
from istsim.benchmark._page import as_markdown as as_markdown
from istsim.benchmark._report import read_json as read_json
from istsim.benchmark._report import run_benchmark as run_benchmark
from istsim.benchmark._report import run_first_answers as run_first_answers
from istsim.benchmark._report import write_json as write_json
from istsim.benchmark._rounds import time_recording as time_recording
from istsim.benchmark._rounds import time_rounds as time_rounds
from istsim.benchmark._timing import interleaved as interleaved
from istsim.benchmark._workload import Workload as Workload
