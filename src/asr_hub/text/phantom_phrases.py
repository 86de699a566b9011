"""
What models that learned from subtitles write where nobody speaks, by language.

A credit line is said by nobody. What opens one (`Subtitles by …`) and a farewell may be said, and prove nothing alone.
"""

# ruff: noqa: RUF001 - the letters of many scripts are meant

from __future__ import annotations

from collections.abc import Iterable

from asr_hub.wording import letters

_CREDITS = {
    "cs": ("Titulky vytvořil JohnyX.", "Titulky vytvořila komunita Amara.org"),
    "da": ("Danske tekster af Amara.org-fællesskabet", "Tekster af Amara.org-fællesskabet"),
    "de": (
        "Untertitel der Amara.org-Community",
        "Untertitel von der Amara.org-Community",
        "Untertitelung des ZDF für funk",
        "Untertitel im Auftrag des ZDF für funk",
        "Untertitelung des ZDF",
        "Untertitelung im Auftrag des ZDF",
        "Copyright WDR",
    ),
    "el": ("Υπότιτλοι από την κοινότητα του Amara.org", "Υπότιτλοι AUTHORWAVE"),
    "en": (
        "Subtitles by the Amara.org community",
        "Subtitles created by the Amara.org community",
        "Transcription by CastingWords",
        "Transcripts provided by CastingWords",
        "Captions by the Amara.org community",
    ),
    "es": (
        "Subtítulos por la comunidad de Amara.org",
        "Subtítulos realizados por la comunidad de Amara.org",
        "Subtítulos creados por la comunidad de Amara.org",
    ),
    "fr": (
        "Sous-titres réalisés par la communauté d'Amara.org",
        "Sous-titres réalisés para la communauté d'Amara.org",
        "Sous-titres fournis par la communauté d'Amara.org",
        "Sous-titrage Société Radio-Canada",
        "Sous-titrage ST' 501",
    ),
    "it": (
        "Sottotitoli creati dalla comunità Amara.org",
        "Sottotitoli e revisione a cura di QTSS",
        "Sottotitoli a cura di QTSS",
    ),
    "ko": ("자막 제공 및 자막을 사용하였습니다.", "자막 제작 Amara.org 커뮤니티"),
    "nl": (
        "Ondertitels ingediend door de Amara.org gemeenschap",
        "Ondertiteld door de Amara.org gemeenschap",
        "TV GELDERLAND 2021",
    ),
    "no": ("Undertekster av Amara.org-fellesskapet", "Undertekster av Ai-Media"),
    "pl": ("Napisy stworzone przez społeczność Amara.org",),
    "pt": (
        "Legendas pela comunidade Amara.org",
        "Legendas pela comunidade de Amara.org",
        "Transcrição e Legendas pela comunidade Amara.org",
    ),
    "ro": ("Subtitrare realizată de comunitatea Amara.org", "Subtitrarea de către comunitatea Amara.org"),
    "ru": (
        "Субтитры сделал DimaTorzok",
        "Субтитры создавал DimaTorzok",
        "Субтитры подготовил DimaTorzok",
        "Субтитры сообщества Amara.org",
    ),
    "sv": ("Undertexter från Amara.org-gemenskapen", "Undertexter av Amara.org-gemenskapen", "Svensktextning.nu"),
    "tr": ("Altyazı M.K.", "Altyazılar Amara.org topluluğu tarafından hazırlanmıştır"),
    "zh": (
        "字幕由Amara.org社区提供",
        "字幕由 Amara.org 社區提供",
        "请不吝点赞 订阅 转发 打赏支持明镜与点点栏目",
        "請不吝點贊 訂閱 轉發 打賞支持明鏡與點點欄目",
    ),
}

_OPENINGS = {
    "ar": ("ترجمة نانسي", "ترجمة و تدقيق"),
    "cs": ("Titulky vytvořil", "Překlad a titulky"),
    "da": ("Undertekster af", "Danske tekster af"),
    "de": ("Untertitel von", "Untertitel im Auftrag", "Untertitelung"),
    "el": ("Υπότιτλοι από",),
    "en": ("Subtitles by", "Subtitled by", "Captions by", "Captioned by", "Transcribed by", "Transcript by"),
    "es": ("Subtítulos por", "Subtítulos realizados por", "Subtitulado por"),
    "fi": ("Tekstitys", "Suomennos"),
    "fr": ("Sous-titres réalisés par", "Sous-titres par", "Sous-titrage"),
    "he": ("כתוביות על ידי", "תרגום וכתוביות"),
    "hu": ("Feliratok", "A feliratot készítette"),
    "it": ("Sottotitoli creati da", "Sottotitoli di", "Sottotitoli a cura di"),
    "ja": ("字幕作成", "字幕by", "字幕 提供"),
    "ko": ("자막 제작", "자막 by", "한글자막"),
    "nl": ("Ondertiteling door", "Ondertiteld door"),
    "no": ("Undertekster av", "Teksting av"),
    "pl": ("Napisy stworzone przez", "Napisy wykonane przez"),
    "pt": ("Legendas por", "Legendas pela", "Legendado por"),
    "ro": ("Subtitrare realizată de", "Traducerea și adaptarea"),
    "ru": ("Субтитры сделал", "Субтитры создавал", "Редактор субтитров"),
    "sv": ("Undertexter av", "Undertexter från", "Översättning och undertexter"),
    "tr": ("Altyazı çeviri", "Çeviri ve altyazı"),
    "uk": ("Субтитри створив", "Переклад і субтитри"),
    "vi": ("Phụ đề được thực hiện bởi", "Phụ đề bởi"),
    "zh": ("字幕由", "字幕by", "字幕制作", "字幕製作", "字幕志愿者", "中文字幕志愿者", "中文字幕志願者", "字幕提供"),
}

_FAREWELLS = {
    "ar": (
        "شكرا على المشاهدة",
        "شكرا للمشاهدة",
        "شكرا",
        "اشتركوا في القناة",
        "لا تنسوا الاشتراك في القناة",
        "السلام عليكم ورحمة الله وبركاته",
    ),
    "bg": ("Благодаря за гледането", "Абонирайте се за канала"),
    "cs": ("Děkuji za pozornost", "Děkuji za sledování", "Děkuji", "Děkujeme za pozornost"),
    "da": ("Tak fordi I så med", "Tak for at se med", "Tak"),
    "de": (
        "Vielen Dank fürs Zuschauen",
        "Danke fürs Zuschauen",
        "Vielen Dank für die Aufmerksamkeit",
        "Vielen Dank",
        "Bis zum nächsten Mal",
        "Tschüss",
        "Das war's für heute",
    ),
    "el": ("Ευχαριστώ που παρακολουθήσατε", "Ευχαριστώ", "Ευχαριστούμε που παρακολουθήσατε"),
    "en": (
        "Thanks for watching",
        "Thank you for watching",
        "Thank you so much for watching",
        "Thanks for watching and see you next time",
        "Thanks for watching, and don't forget to like and subscribe",
        "Please subscribe to my channel",
        "Please subscribe",
        "Like and subscribe",
        "Don't forget to subscribe",
        "See you in the next video",
        "I'll see you in the next video",
        "See you next time",
        "We'll be right back",
        "Thank you",
        "Thank you very much",
        "Thanks",
        "Bye",
        "Bye bye",
        "Goodbye",
        "You",
        "Okay",
        "The end",
        "To be continued",
    ),
    "es": (
        "Gracias por ver el video",
        "Gracias por ver",
        "Gracias",
        "Muchas gracias",
        "Suscríbete al canal",
        "Suscríbete",
        "Hasta la próxima",
        "Nos vemos en el próximo video",
    ),
    "fa": ("ممنون که تماشا کردید", "متشکرم", "ممنون"),
    "fi": ("Kiitos katsomisesta", "Kiitos, kun katsoitte", "Kiitos"),
    "fr": (
        "Merci d'avoir regardé cette vidéo",
        "Merci d'avoir regardé",
        "Merci",
        "Abonnez-vous à la chaîne",
        "N'oubliez pas de vous abonner",
        "À bientôt",
        "À la prochaine",
    ),
    "he": ("תודה על הצפייה", "תודה רבה", "תודה"),
    "hi": (
        "देखने के लिए धन्यवाद",
        "धन्यवाद",
        "चैनल को सब्सक्राइब करें",
        "वीडियो देखने के लिए धन्यवाद",
    ),
    "hr": ("Hvala što pratite kanal", "Hvala na gledanju", "Hvala"),
    "hu": ("Köszönöm, hogy megnéztétek", "Köszönöm a figyelmet", "Köszönöm"),
    "id": ("Terima kasih telah menonton", "Terima kasih sudah menonton", "Terima kasih", "Jangan lupa subscribe"),
    "it": (
        "Grazie per aver guardato il video",
        "Grazie per la visione",
        "Grazie",
        "Iscrivetevi al canale",
        "Alla prossima",
    ),
    "ja": (
        "ご視聴ありがとうございました",
        "ご視聴ありがとうございます",
        "ご清聴ありがとうございました",
        "ありがとうございました",
        "チャンネル登録をお願いいたします",
        "チャンネル登録よろしくお願いします",
        "最後までご視聴いただきありがとうございました",
        "おやすみなさい",
        "次回もお楽しみに",
        "また次の動画でお会いしましょう",
    ),
    "ko": (
        "시청해주셔서 감사합니다",
        "시청해 주셔서 고맙습니다",
        "감사합니다",
        "구독과 좋아요 부탁드립니다",
        "다음 영상에서 만나요",
        "이 영상은 유료광고를 포함하고 있습니다",
    ),
    "ms": ("Terima kasih kerana menonton",),
    "nl": ("Bedankt voor het kijken", "Dank u wel", "Tot de volgende keer", "Vergeet niet te abonneren"),
    "no": ("Takk for at du så på", "Takk for at dere så på", "Takk for meg"),
    "pl": (
        "Dziękuję za uwagę",
        "Dziękuję za obejrzenie",
        "Dziękuję za oglądanie",
        "Dziękuję",
        "Zapraszam do subskrypcji",
        "Do zobaczenia w następnym odcinku",
    ),
    "pt": (
        "Obrigado por assistir",
        "Obrigada por assistir",
        "Obrigado",
        "Obrigada",
        "Inscreva-se no canal",
        "Até a próxima",
        "Tchau",
    ),
    "ro": ("Vă mulțumesc pentru vizionare", "Mulțumesc pentru vizionare", "Să vă abonați la canal", "Mulțumesc"),
    "ru": (
        "Продолжение следует",
        "Спасибо за просмотр",
        "Спасибо за внимание",
        "Спасибо",
        "Подписывайтесь на канал",
        "Подпишись на канал",
        "До новых встреч",
        "Всем пока",
        "Пока",
    ),
    "sv": ("Tack för att du tittade", "Tack för att ni har tittat", "Tack"),
    "th": ("ขอบคุณที่รับชม", "ขอบคุณครับ", "ขอบคุณค่ะ", "โปรดติดตามตอนต่อไป", "อย่าลืมกดติดตาม"),
    "tr": (
        "İzlediğiniz için teşekkürler",
        "İzlediğiniz için teşekkür ederim",
        "Teşekkür ederim",
        "Abone olmayı unutmayın",
        "Bir sonraki videoda görüşmek üzere",
    ),
    "uk": ("Дякую за перегляд", "Дякую за увагу", "Далі буде", "Дякую", "Підписуйтесь на канал"),
    "ur": ("دیکھنے کا شکریہ", "شکریہ"),
    "vi": (
        "Cảm ơn các bạn đã theo dõi",
        "Cảm ơn các bạn đã xem",
        "Hẹn gặp lại các bạn trong những video tiếp theo",
        "Hãy subscribe cho kênh để không bỏ lỡ những video hấp dẫn",
        "Đừng quên đăng ký kênh",
        "Cảm ơn",
    ),
    "yue": ("多謝收睇", "多謝大家收睇", "下次再見"),
    "zh": (
        "谢谢观看",
        "謝謝觀看",
        "感谢观看",
        "感謝觀看",
        "谢谢大家",
        "謝謝大家",
        "谢谢",
        "謝謝",
        "谢谢收看",
        "謝謝收看",
        "感谢您的收看",
        "请订阅我的频道",
        "請訂閱我的頻道",
        "下期再见",
        "我们下期再见",
        "下集再见",
        "未完待续",
        "未完待續",
        "优优独播剧场",
    ),
}

_SOUNDS = {
    "de": ("Musik", "Applaus", "Gelächter", "Stille", "Geräusche"),
    "en": (
        "Music",
        "Music playing",
        "Upbeat music",
        "Applause",
        "Laughter",
        "Laughing",
        "Silence",
        "Noise",
        "Background noise",
        "Blank audio",
        "Inaudible",
        "No speech",
        "No audio",
        "Sighs",
        "Coughing",
        "Beep",
        "Static",
        "Wind blowing",
        "Bell rings",
        "Clicking",
        "Typing",
        "Foreign",
        "Speaking foreign language",
    ),
    "es": ("Música", "Aplausos", "Risas", "Silencio"),
    "fr": ("Musique", "Applaudissements", "Rires", "Silence"),
    "it": ("Musica", "Applausi", "Risate"),
    "ja": ("音楽", "拍手", "笑い"),
    "ko": ("음악", "박수", "웃음"),
    "pl": ("Muzyka", "Oklaski", "Śmiech"),
    "pt": ("Música", "Aplausos", "Risos"),
    "ru": ("Музыка", "Аплодисменты", "Смех", "Тишина"),
    "tr": ("Müzik", "Alkış"),
    "zh": ("音乐", "音樂", "掌声", "掌聲", "笑声"),
}


def _all(phrases: dict[str, tuple[str, ...]]) -> Iterable[str]:
    return (letters(phrase) for some in phrases.values() for phrase in some)


CREDITS = frozenset(_all(_CREDITS))
"""Whole texts that nobody says. These and the following are as `letters` leaves them."""

OPENINGS = tuple(sorted(set(_all(_OPENINGS))))
"""How credit lines begin."""

FAREWELLS = frozenset(_all(_FAREWELLS))
"""Whole texts that are said, too."""

SOUNDS = frozenset(_all(_SOUNDS))
"""What stands in brackets for a sound."""

LANGUAGES = frozenset(_CREDITS) | frozenset(_OPENINGS) | frozenset(_FAREWELLS)
"""BCP 47"""
