import { render } from "preact";
import "../shared/base.css";
import "./styles/page.css";
import "./styles/modes.css";
import "./styles/photos.css";
import "./styles/composer.css";
import "./styles/pictures.css";
import "./styles/viewer.css";
import "./styles/elsewhere.css";
import { begin } from "./beginning";
import { Page } from "./parts/Page";

render(<Page />, document.getElementById("page") as HTMLElement);
void begin();
