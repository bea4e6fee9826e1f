"""The sentences that explain each part of the report, in English, Russian and Kazakh."""

from __future__ import annotations

EXPLANATIONS: dict[str, tuple[str, str, str]] = {
    "x_compared": (
        "Every scenario lived through the same luck: the same people, weather and failures, wherever the scenario does not change "
        "them. So the differences below are the policy, and the intervals say how far luck could move them.",
        "Все сценарии прожили одну и ту же случайность: те же люди, погода и аварии, если сценарий их не меняет. Поэтому разницы ниже"
        " — следствие решений, а интервалы показывают, насколько их может сдвинуть случай.",
        "Барлық сценарий бірдей кездейсоқтықпен өтті: сценарий өзгертпесе, адамдар, ауа райы мен апаттар бірдей. Сондықтан төмендегі "
        "айырмалар — шешімдердің салдары, ал аралықтар оларды кездейсоқтық қаншаға жылжыта алатынын көрсетеді.",
    ),
    "x_short": (
        "The largest differences among the main indicators in {year}. A dot is the mean difference, a bar its 95 % interval; where "
        "the bar crosses zero, the difference may be luck. Differences below 1 % are in the table of all indicators.",
        "Наибольшие разницы главных показателей за {year} год. Точка — средняя разница, отрезок — её 95 % интервал; если отрезок "
        "пересекает ноль, разница может быть случайной. Разницы меньше 1 % — в таблице всех показателей.",
        "{year} жылғы негізгі көрсеткіштердің ең үлкен айырмалары. Нүкте — орташа айырма, кесінді — оның 95 % аралығы; кесінді нөлді "
        "қиып өтсе, айырма кездейсоқ болуы мүмкін. 1 % кем айырмалар барлық көрсеткіш кестесінде.",
    ),
    "x_partial": (
        "{year} is not a whole year in this study: sums are of its recorded months.",
        "{year} год в исследовании неполный: суммы — по записанным месяцам.",
        "Зерттеуде {year} жыл толық емес: қосындылар жазылған айлар бойынша.",
    ),
    "x_one_pair": (
        "There is one pair of runs, so no interval can be given; run with -r 8 to see what is luck.",
        "Пара прогонов одна, интервал построить нельзя; запустите с -r 8, чтобы увидеть роль случая.",
        "Есептеу жұбы біреу, аралық беру мүмкін емес; кездейсоқтықты көру үшін -r 8 деп іске қосыңыз.",
    ),
    "x_maps": (
        "Mean over the runs. Move the slider to see the city change; point at a zone for its numbers. Zones outside the city are not "
        "drawn. The colour scale is the same for all times; the largest two in a hundred values share the last colour.",
        "Среднее по прогонам. Двигайте ползунок, чтобы увидеть, как меняется город; наведите на зону, чтобы прочитать числа. Зоны вне"
        " города не показаны. Шкала цвета одна для всех дат; у двух процентов самых больших значений общий последний цвет.",
        "Есептеулердің орташасы. Қаланың өзгерісін көру үшін жүгірткіні жылжытыңыз; санын көру үшін аймақты көрсетіңіз. Қаладан тыс "
        "аймақтар салынбаған. Түс шкаласы барлық уақытқа бір; ең үлкен екі пайыз мәннің түсі ортақ.",
    ),
    "x_breaks": (
        "For each asset: the share of runs in which it was overloaded by the end of that year. Overloaded means: a substation, an "
        "hour in which more than its capacity is wanted; a bus line, more than {left} riders left behind for 100 boardings in a year;"
        " a payment rail, a day on which people wait longer than their patience ({patience} s) in some hour although the rail is in "
        "service; homes, fewer than {vacant} in 100 vacant at the year's end. The limits for lines and homes are assumed.",
        "Для каждого объекта: доля прогонов, в которых он был перегружен к концу года. Перегрузка: подстанция — час, когда нужно "
        "больше её мощности; маршрут — больше {left} не вместившихся на 100 посадок за год; платёжная система — день, когда в какой-"
        "то час ждут дольше терпения ({patience} с), хотя система работает; жильё — свободно меньше {vacant} из 100 в конце года. "
        "Пороги для маршрутов и жилья приняты.",
        "Әр нысан үшін: жыл соңына дейін асқын жүктелген есептеулер үлесі. Асқын жүктеме: қосалқы станция — қуатынан көп қажет болған"
        " сағат; бағыт — жылына 100 отырғанға {left} көп сыймаған жолаушы; төлем жүйесі — жұмыс істеп тұрса да бір сағатта төзімнен "
        "({patience} с) ұзақ күткен күн; тұрғын үй — жыл соңында 100 үйден {vacant} аз бос. Бағыттар мен тұрғын үй шектері болжам.",
    ),
    "x_breaks_table": (
        "“Capacity that would last” carries the highest demand up to the horizon in nine of ten runs. What drives a substation is the"
        " use with the largest share of the growth between the first and the last twelve months; of a study under two years, of the "
        "load itself.",
        "«Достаточная мощность» выдержит наибольший спрос до конца периода в девяти из десяти прогонов. Причина для подстанции — "
        "потребитель с наибольшей долей прироста между первыми и последними двенадцатью месяцами; если период меньше двух лет — самой"
        " нагрузки.",
        "«Жететін қуат» кезең соңына дейінгі ең жоғары сұранысты он есептеудің тоғызында көтереді. Қосалқы станцияның себебі — "
        "алғашқы және соңғы он екі ай арасындағы өсімде үлесі ең үлкен тұтынушы; екі жылдан қысқа зерттеуде — жүктеменің өзінде.",
    ),
    "x_load_hours": (
        "Electricity wanted in the whole city, mean day of the season.",
        "Спрос на электричество во всём городе, средний день сезона.",
        "Бүкіл қаланың электр сұранысы, маусымның орташа күні.",
    ),
    "x_load_uses": (
        "Mean over the runs; the areas add up to the city's load.",
        "Среднее по прогонам; площади складываются в нагрузку города.",
        "Есептеулердің орташасы; аудандар қосылып қала жүктемесін береді.",
    ),
    "x_load_district": (
        "Mean workday and day off of {year}.",
        "Средний рабочий день и выходной {year} года.",
        "{year} жылдың орташа жұмыс және демалыс күні.",
    ),
    "x_peaks": (
        "The mean load of the highest hour in each month (each year in long studies).",
        "Средняя нагрузка наибольшего часа месяца (в длинных исследованиях — года).",
        "Әр айдың (ұзақ зерттеуде — жылдың) ең жоғары сағатындағы орташа жүктеме.",
    ),
    "x_peak_day": (
        "Electricity wanted hour by hour on the peak day of {year}; every run has its own peak day.",
        "Спрос по часам в пиковый день {year} года; у каждого прогона свой пиковый день.",
        "{year} жылдың ең жоғары жүктеме күніндегі сағаттық сұраныс; әр есептеудің өз күні бар.",
    ),
    "x_substations": (
        "Highest hour of the year as a share of the capacity; above 100 % there is not enough.",
        "Наибольший час года в долях мощности; выше 100 % мощности не хватает.",
        "Жылдың ең жоғары сағаты қуаттың үлесімен; 100 % асса, қуат жетпейді.",
    ),
    "x_transit": (
        "All lines together. “Left behind” counts a rider at each full bus.",
        "Все маршруты вместе. «Не вместились» считается у каждого полного автобуса.",
        "Барлық бағыт бірге. «Сыймағандар» әр толы автобуста саналады.",
    ),
    "x_line_load": (
        "Mean number of riders on board when the bus leaves each stop, on workdays of {year}, in the line's busiest hour (chosen by "
        "the baseline). The dotted line is the places in a vehicle.",
        "Среднее число пассажиров при отправлении с остановки, рабочие дни {year} года, самый загруженный час маршрута (по базовому "
        "сценарию). Пунктир — мест в автобусе.",
        "Аялдамадан шыққандағы жолаушылардың орташа саны, {year} жылдың жұмыс күндері, бағыттың ең тығыз сағаты (базалық сценарий "
        "бойынша). Нүктелі сызық — автобустағы орын саны.",
    ),
    "x_lines": (
        "Choose a line.",
        "Выберите маршрут.",
        "Бағытты таңдаңыз.",
    ),
    "x_homes": (
        "Homes that stand, the share of them without a household, asking rents, and homes completed.",
        "Построенное жильё, доля пустующего, запрашиваемая аренда и сданное жильё.",
        "Тұрған баспана, бос үлесі, сұралған жалдау ақысы және бітірілген баспана.",
    ),
    "x_works": (
        "Dwellings at open building sites as the period ends: with permits and crews they become homes.",
        "Квартиры на открытых стройках в конце периода: с разрешениями и бригадами они станут жильём.",
        "Кезең соңындағы ашық құрылыстағы пәтерлер: рұқсат пен бригада болса, баспанаға айналады.",
    ),
    "x_jobs": (
        "Filled jobs in the city, residents without work, wages, and firms.",
        "Занятые места в городе, безработица, зарплаты и фирмы.",
        "Қаладағы толған орындар, жұмыссыздық, жалақы және фирмалар.",
    ),
    "x_sectors": (
        "As {year} ends, mean over the runs; the line spans the runs.",
        "На конец {year} года, среднее по прогонам; отрезок — размах прогонов.",
        "{year} жыл соңында, есептеулердің орташасы; кесінді — есептеулер ауқымы.",
    ),
    "x_adoption": (
        "Shares as the period ends.",
        "Доли на конец периода.",
        "Кезең соңындағы үлестер.",
    ),
    "x_wallets": (
        "Mean over the runs; all adults of the city.",
        "Среднее по прогонам; все взрослые города.",
        "Есептеулердің орташасы; қаланың барлық ересегі.",
    ),
    "x_payments": (
        "Payments that failed and were given up are sales that the shop lost.",
        "Несостоявшиеся платежи — потерянные продажи магазина.",
        "Жүзеге аспаған төлемдер — дүкен жоғалтқан сауда.",
    ),
    "x_people": (
        "Residents as the period ends, and those who came and left in it.",
        "Жители на конец периода, приехавшие и уехавшие за период.",
        "Кезең соңындағы тұрғындар, келгендер мен кеткендер.",
    ),
    "x_districts": (
        "The zones of the map added up by district.",
        "Зоны карты, сложенные по районам.",
        "Карта аймақтары аудандар бойынша қосылған.",
    ),
    "x_inputs": (
        "What each scenario sets otherwise than the baseline: this is all that causes the differences.",
        "Что сценарий задаёт иначе, чем базовый: только это и вызывает разницы.",
        "Әр сценарийдің базалықтан өзге бергені: айырмалардың бар себебі осы.",
    ),
    "x_assumptions": (
        "The values that the baseline ran with, with their meaning, evidence and source; the sources of maps and tables are in the "
        "scenario's SOURCES.md. A tight interval around an assumed value is not certainty.",
        "Значения, с которыми считался базовый сценарий, их смысл, обоснованность и источник; источники карт и таблиц — в SOURCES.md "
        "сценария. Узкий интервал вокруг принятого значения — ещё не уверенность.",
        "Базалық сценарий есептелген мәндер, олардың мәні, дәлелі мен дереккөзі; карталар мен кестелердің дереккөздері сценарийдің "
        "SOURCES.md ішінде. Болжанған мәннің тар аралығы сенімділік емес.",
    ),
    "x_no_evidence": (
        "Neither the study nor the caller says what the parameters mean and rest on; only their values are shown.",
        "Ни исследование, ни вызвавшая программа не говорят, что значат параметры и на чём основаны; показаны только значения.",
        "Параметрлердің мәні мен негізін зерттеу де, шақырған бағдарлама да айтпайды; тек мәндері көрсетілген.",
    ),
    "x_other_version": (
        "The study was run with version {ran}; meanings, evidence and sources are those of version {here}.",
        "Исследование выполнено версией {ran}; смысл, обоснованность и источники — из версии {here}.",
        "Зерттеу {ran} нұсқасымен орындалған; мәні, дәлелі мен дереккөздері {here} нұсқасынан.",
    ),
    "x_manifest": (
        "With the same versions, inputs and seed the runs give the same bytes again; `alatau verify` checks it.",
        "При тех же версиях, входных данных и зерне прогоны дают те же байты; это проверяет `alatau verify`.",
        "Нұсқалар, кіріс деректер мен тұқым саны бірдей болса, нәтиже байтына дейін бірдей; мұны `alatau verify` тексереді.",
    ),
}
